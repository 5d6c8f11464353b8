/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Both chains drop by default; the rules name what may pass. From the guest (ingress): its own addresses only, towards
 * what is neither another sandbox nor a metadata service, and every packet leaves with the sandbox's mark, without which
 * the gate lets nothing through. To the guest (egress): only what is addressed to it.
 *
 * The kernel strips one VLAN tag before the ingress hook, so `meta protocol` alone would take a tagged packet for a plain
 * one; `ether type` still sees the tag.
 */
#include "keeper/owner_table.h"

#include <netinet/in.h> /* in front of linux/netfilter.h, which gives way to it */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "keeper/plan.h"
#include "keeper/ruleset.h"

#define MAC_TEXT_SIZE 18

/* Everything a rule is made of, as text */
struct words {
	char table[ID_NAME_SIZE], tap[IFNAMSIZ], mac[MAC_TEXT_SIZE];
	char host4[PLAN_ADDRESS_SIZE], guest4[PLAN_ADDRESS_SIZE], guest6[PLAN_ADDRESS_SIZE],
		guest6_hex[33];
	char pool4[PLAN_ADDRESS_SIZE], pool6[PLAN_ADDRESS_SIZE];
	unsigned int pool4_prefix;
	uint32_t mark;
};

static void words_init(struct words *w, const char *id, const struct slot_plan *plan,
		       const struct host_config *host)
{
	uint8_t mac[6];

	id_table(id, w->table);
	id_tap(id, w->tap);
	id_mac(id, mac);
	(void)snprintf(w->mac, sizeof(w->mac), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		       mac[2], mac[3], mac[4], mac[5]);
	(void)plan_ipv4_text(plan->host_ipv4, w->host4);
	(void)plan_ipv4_text(plan->guest_ipv4, w->guest4);
	(void)plan_ipv6_text(plan->guest_ipv6, w->guest6);
	for (size_t i = 0; i < sizeof(plan->guest_ipv6); i++)
		(void)snprintf(w->guest6_hex + 2 * i, 3, "%02x", plan->guest_ipv6[i]);
	(void)plan_ipv4_text(host->pool4, w->pool4);
	(void)plan_ipv6_text(host->pool6, w->pool6);
	w->pool4_prefix = host->pool4_prefix;
	w->mark = plan->mark;
}

/* one rule of one chain */
#define RULE(chain, fmt, ...)                                                                      \
	ruleset_add(t, "add rule netdev %s " chain " " fmt "\n", w->table, ##__VA_ARGS__)

static void add_head(struct ruleset_text *t, const struct words *w)
{
	ruleset_add(t, "add table netdev %s { flags owner; }\n", w->table);
	ruleset_add(t,
		    "add chain netdev %s in { type filter hook ingress device \"%s\" priority 0; "
		    "policy drop; }\n",
		    w->table, w->tap);
	ruleset_add(t,
		    "add chain netdev %s out { type filter hook egress device \"%s\" priority 0; "
		    "policy drop; }\n",
		    w->table, w->tap);
	RULE("in", "ether saddr != %s drop", w->mac);
	RULE("in", "ether type { 8021q, 8021ad } drop");
}

/*
 * What the rules before have left of a family may pass: all of it, or what goes to this sandbox's end of the host (answers to
 * published ports; the gate lets no flow begin there) and to the networks of its egress. A fragment that isn't the first has no
 * port, and passes to none.
 */
static void add_egress(struct ruleset_text *t, const struct words *w,
		       const struct owner_egress *egress, bool v6)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const char *family = v6 ? "ip6" : "ip";

	if (!egress->limited) {
		RULE("in", "meta protocol %s meta mark set 0x%08x accept", family, w->mark);
		return;
	}
	RULE("in", "meta protocol %s %s daddr %s meta mark set 0x%08x accept", family, family,
	     v6 ? "fe80::1" : w->host4, w->mark);
	for (uint32_t i = 0; i < egress->n; i++) {
		const struct spec_egress *to = &egress->list[i];
		bool v4 = to->prefix >= 96 && memcmp(to->address, mapped, sizeof(mapped)) == 0;
		char address[INET6_ADDRSTRLEN], daddr[INET6_ADDRSTRLEN + 24] = "", port[48] = "";

		if (v4 == v6)
			continue;
		if (!inet_ntop(v4 ? AF_INET : AF_INET6, to->address + (v4 ? 12 : 0), address,
			       sizeof(address)))
			continue;		/* it always fits */
		if (to->prefix > (v4 ? 96 : 0)) /* a match on no bits is none */
			(void)snprintf(daddr, sizeof(daddr), "%s daddr %s/%u ", family, address,
				       to->prefix - (v4 ? 96u : 0u));
		if (to->port)
			(void)snprintf(port, sizeof(port), "meta l4proto { tcp, udp } th dport %u ",
				       to->port);
		RULE("in", "meta protocol %s %s%smeta mark set 0x%08x accept", family, daddr, port,
		     w->mark);
	}
}

static void add_ipv4(struct ruleset_text *t, const struct words *w,
		     const struct owner_egress *egress)
{
	RULE("in",
	     "meta protocol arp arp operation { request, reply } arp saddr ether %s arp saddr ip "
	     "%s arp daddr ip %s "
	     "meta mark set 0x%08x accept",
	     w->mac, w->guest4, w->host4, w->mark);
	RULE("in", "meta protocol ip ip saddr != %s drop", w->guest4);
	RULE("in", "meta protocol ip ip daddr %s/%u ip daddr != %s drop", w->pool4, w->pool4_prefix,
	     w->host4);
	/* this host, link-local with its metadata service, two more metadata services, multicast, broadcast */
	RULE("in", "meta protocol ip ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, "
		   "100.100.100.200, 192.0.0.192, "
		   "224.0.0.0/4, 255.255.255.255 } drop");
	RULE("in", "meta protocol ip udp sport 67 drop"); /* a DHCP server's */
	add_egress(t, w, egress, false);
	RULE("out",
	     "meta protocol arp arp operation { request, reply } arp saddr ip %s arp daddr ip %s "
	     "accept",
	     w->host4, w->guest4);
	RULE("out", "meta protocol ip ip daddr %s accept", w->guest4);
}

static void add_ipv6(struct ruleset_text *t, const struct words *w,
		     const struct owner_egress *egress)
{
	RULE("in", "meta protocol ip6 icmpv6 type { nd-router-advert, nd-redirect } drop");
	/* an advertised address (bytes 8 to 23 of the message) is the guest's, or a link-local other than ours */
	RULE("in",
	     "meta protocol ip6 icmpv6 type nd-neighbor-advert @th,64,128 != 0x%s @th,64,10 != "
	     "0x3fa drop",
	     w->guest6_hex);
	RULE("in", "meta protocol ip6 icmpv6 type nd-neighbor-advert "
		   "@th,64,128 0xfe800000000000000000000000000001 drop");
	RULE("in", "meta protocol ip6 ip6 saddr fe80::1 drop");
	RULE("in",
	     "meta protocol ip6 ip6 saddr { ::, fe80::/10, %s } ip6 hoplimit 255 ip6 daddr { "
	     "fe80::/10, ff02::/16 } "
	     "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } meta mark "
	     "set 0x%08x accept",
	     w->guest6, w->mark);
	RULE("in", "meta protocol ip6 ip6 saddr != %s drop", w->guest6);
	/* other sandboxes, this host, metadata services (two clouds', any through NAT64), multicast */
	RULE("in",
	     "meta protocol ip6 ip6 daddr { %s/64, ::/127, ::ffff:0:0/96, fd00:ec2::/64, "
	     "fd20:ce::254, "
	     "64:ff9b::a9fe:0/112, ff00::/8 } drop",
	     w->pool6);
	RULE("in", "meta protocol ip6 udp sport 547 drop"); /* a DHCPv6 server's */
	add_egress(t, w, egress, true);
	RULE("out",
	     "meta protocol ip6 ip6 daddr { %s, fe80::/10, ff02::/16 } icmpv6 type { "
	     "nd-neighbor-solicit, "
	     "nd-neighbor-advert } accept",
	     w->guest6);
	RULE("out", "meta protocol ip6 ip6 daddr %s accept", w->guest6);
}

void owner_table_text(const char *id, const struct slot_plan *plan, const struct host_config *host,
		      const struct owner_egress *egress, char buf[OWNER_TABLE_TEXT_MAX])
{
	struct ruleset_text text = { .buf = buf, .size = OWNER_TABLE_TEXT_MAX };
	struct words words;

	BUG_ON(!id_is_valid(id));
	words_init(&words, id, plan, host);
	add_head(&text, &words);
	add_ipv4(&text, &words, egress);
	if (host->ipv6)
		add_ipv6(&text, &words, egress);
}

int owner_table_open(struct owner_table *table, const char *id, const struct slot_plan *plan,
		     const struct host_config *host, const struct owner_egress *egress,
		     struct err *err)
{
	char commands[OWNER_TABLE_TEXT_MAX];

	owner_table_text(id, plan, host, egress, commands);
	table->ctx = ruleset_open_socket(&table->socket, err);
	if (!table->ctx)
		return -1;
	if (ruleset_run(table->ctx, commands, "make the sandbox's own rules", err) < 0) {
		owner_table_close(table);
		return -1;
	}
	return 0;
}

/* Two more chains in front of the others, which drop everything. */
static void add_cut(struct ruleset_text *t, const char *id, bool cut)
{
	static const struct {
		const char *name, *hook;
	} chains[] = { { "cut_in", "ingress" }, { "cut_out", "egress" } };
	char table[ID_NAME_SIZE], tap[IFNAMSIZ];

	id_table(id, table);
	id_tap(id, tap);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		if (cut)
			ruleset_add(t,
				    "add chain netdev %s %s { type filter hook %s device \"%s\" "
				    "priority -1; policy drop; }\n",
				    table, chains[i].name, chains[i].hook, tap);
		else
			ruleset_add(t, "delete chain netdev %s %s\n", table, chains[i].name);
}

int owner_table_cut(struct owner_table *table, const char *id, bool cut, struct err *err)
{
	char commands[OWNER_TABLE_TEXT_MAX];
	struct ruleset_text text = { .buf = commands, .size = sizeof(commands) };

	if (table->cut == cut)
		return 0;
	add_cut(&text, id, cut);
	if (ruleset_run(table->ctx, commands,
			cut ? "cut the sandbox off" : "connect the sandbox again", err) < 0)
		return -1;
	table->cut = cut;
	return 0;
}

void owner_table_drop(struct owner_table *table, const char *id)
{
	char name[ID_NAME_SIZE];
	struct err ignored;

	if (!table->ctx || table->socket < 0)
		return;
	id_table(id, name);
	(void)ruleset_delete_table(table->socket, NFPROTO_NETDEV, name, &ignored);
}

void owner_table_close(struct owner_table *table)
{
	ruleset_close(table->ctx);
	table->ctx = NULL;
}

int owner_table_absent(const char *id, struct err *err)
{
	char name[ID_NAME_SIZE];
	struct ruleset_table found;
	int r;

	id_table(id, name);
	r = ruleset_find(NFPROTO_NETDEV, name, &found, err);
	return r < 0 ? -1 : !r;
}

int owner_table_possible(struct err *err)
{
	static const char commands[] = "add table netdev mayfly_probe { flags owner; }\n"
				       "add chain netdev mayfly_probe out { type filter hook "
				       "egress device \"lo\" priority 0; policy accept; }\n";
	struct nft_ctx *ctx = ruleset_open(err);
	int r;

	if (!ctx)
		return -1;
	r = ruleset_run(ctx, commands, "make a netdev owner table", err);
	ruleset_close(ctx);
	return r == 0;
}
