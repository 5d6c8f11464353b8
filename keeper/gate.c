/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Whose is a packet: one that comes from a tap has its sandbox's mark, set by the sandbox's own table; one that goes to
 * a tap belongs to a flow whose conntrack entry has it, copied when the flow began (prerouting for the guest's flows,
 * output for those that the keeper opens with SO_MARK). Everything else from or to a tap is dropped: also all of it
 * once the sandbox's own table is gone.
 *
 * Chains sit just in front of the usual filter priority, and accept only in the sense of "no objection": other tables'
 * drops still count.
 */
#include "keeper/gate.h"

#include <netinet/in.h> /* in front of linux/netfilter.h, which gives way to it */
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "keeper/ruleset.h"

#define TABLE	     "mayfly"
#define COMMENT_HEAD "mayfly gate 1, marks "
#define TAPS	     "\"" ID_TAP_PREFIX "*\""

/* two-step compare: (packet or conntrack mark & mask) == base */
struct marks {
	char ours[64];	 /* "and 0x… == 0x…" */
	char theirs[64]; /* "and 0x… != 0x…" */
};

#define RULE(chain, fmt, ...)                                                                      \
	ruleset_add(t, "add rule inet " TABLE " " chain " " fmt "\n", ##__VA_ARGS__)

static void comment_of(const struct host_config *host, char buf[128])
{
	(void)snprintf(buf, 128, COMMENT_HEAD "0x%08x/0x%08x", host->mark_base, host->mark_mask);
}

static void add_chains(struct ruleset_text *t)
{
	static const struct {
		const char *name, *hook;
	} chains[] = {
		{ "pre", "type filter hook prerouting priority mangle" },
		{ "forward", "type filter hook forward priority filter - 10" },
		{ "input", "type filter hook input priority filter - 10" },
		{ "output", "type filter hook output priority filter - 10" },
		{ "nat", "type nat hook postrouting priority srcnat" },
	};

	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		ruleset_add(t, "add chain inet " TABLE " %s { %s; policy accept; }\n",
			    chains[i].name, chains[i].hook);
}

static void add_forward(struct ruleset_text *t, const struct marks *m)
{
	RULE("pre", "iifname " TAPS " meta mark %s drop", m->theirs);
	RULE("pre", "iifname " TAPS " ct state new ct mark set meta mark");
	RULE("forward", "iifname " TAPS " oifname " TAPS " drop");
	RULE("forward",
	     "iifname " TAPS " ip daddr { 169.254.0.0/16, 100.100.100.200, 192.0.0.192 } drop");
	RULE("forward", "iifname " TAPS
			" ip6 daddr { fd00:ec2::/64, fd20:ce::254, 64:ff9b::a9fe:0/112 } drop");
	RULE("forward", "iifname " TAPS " meta mark %s accept", m->ours);
	RULE("forward", "iifname " TAPS " drop");
	RULE("forward", "oifname " TAPS " ct state established,related ct mark %s accept", m->ours);
	RULE("forward", "oifname " TAPS " drop");
	/* into the taps nothing is translated: a guest sees who speaks to it */
	RULE("nat", "oifname != " TAPS " meta mark %s masquerade", m->ours);
}

static void add_host(struct ruleset_text *t, const struct marks *m)
{
	RULE("input", "iifname " TAPS
		      " ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, "
		      "nd-router-solicit } accept");
	/* answers to what the host asked; the guest itself can begin nothing */
	RULE("input",
	     "iifname " TAPS " ct state established,related ct direction reply ct mark %s accept",
	     m->ours);
	RULE("input", "iifname " TAPS " drop");
	RULE("output",
	     "oifname " TAPS " icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept");
	RULE("output", "oifname " TAPS " ct state new meta mark %s ct mark set meta mark accept",
	     m->ours);
	RULE("output", "oifname " TAPS " ct state established,related ct mark %s accept", m->ours);
	RULE("output", "oifname " TAPS " drop");
}

void gate_text(const struct host_config *host, char buf[GATE_TEXT_MAX])
{
	struct ruleset_text text = { .buf = buf, .size = GATE_TEXT_MAX };
	struct marks marks;
	char comment[128];

	comment_of(host, comment);
	(void)snprintf(marks.ours, sizeof(marks.ours), "and 0x%08x == 0x%08x", host->mark_mask,
		       host->mark_base);
	(void)snprintf(marks.theirs, sizeof(marks.theirs), "and 0x%08x != 0x%08x", host->mark_mask,
		       host->mark_base);
	/* made if missing, so that it can be deleted, so that it is new: all in one transaction */
	ruleset_add(&text, "add table inet " TABLE "\ndelete table inet " TABLE "\n");
	ruleset_add(&text, "add table inet " TABLE " { comment \"%s\"; }\n", comment);
	add_chains(&text);
	add_forward(&text, &marks);
	add_host(&text, &marks);
}

/* 1: a gate of ours, comment filled; 0: none; -1: err, or somebody else's table */
static int look(char comment[128], struct err *err)
{
	struct ruleset_table found;
	int r = ruleset_find(NFPROTO_INET, TABLE, &found, err);

	if (r <= 0)
		return r;
	if (strncmp(found.comment, COMMENT_HEAD, strlen(COMMENT_HEAD)) != 0)
		return err_set(err, ERR_EXISTS,
			       "the nftables table inet " TABLE " is not mayfly's: left alone");
	(void)snprintf(comment, 128, "%s", found.comment);
	return 1;
}

static int run(const char *commands, const char *what, struct err *err)
{
	struct nft_ctx *ctx = ruleset_open(err);
	int r = ctx ? ruleset_run(ctx, commands, what, err) : -1;

	ruleset_close(ctx);
	return r;
}

int gate_up(const struct host_config *host, struct err *err)
{
	char commands[GATE_TEXT_MAX], comment[128];

	if (look(comment, err) < 0)
		return -1;
	gate_text(host, commands);
	return run(commands, "load the gate", err);
}

int gate_down(struct err *err)
{
	char comment[128];
	int r = look(comment, err);

	return r <= 0 ? r : run("delete table inet " TABLE "\n", "remove the gate", err);
}

int gate_present(const struct host_config *host, struct err *err)
{
	char found[128], wanted[128];
	int r = look(found, err);

	if (r <= 0)
		return r;
	comment_of(host, wanted);
	return strcmp(found, wanted) == 0;
}
