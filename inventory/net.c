/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What the network stack holds: links, addresses, routes, rules, conntrack. All by netlink. */
#include "inventory/inventory.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netfilter/ct.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define WAIT_S 30 /* for the kernel's answer */

typedef int alloc_cache_fn(struct nl_sock *sock, struct nl_cache **cache);

/* Dump one kind of rtnetlink or nfnetlink object into *cache. */
static int dump(int protocol, alloc_cache_fn *alloc, struct nl_cache **cache, struct err *err)
{
	static const struct timeval wait = { .tv_sec = WAIT_S };
	struct nl_sock *sock = nl_socket_alloc();
	int rc = -NLE_NOMEM;

	*cache = NULL;
	if (sock != NULL) {
		rc = nl_connect(sock, protocol);
		if (rc == 0 && setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &wait,
					  sizeof(wait)) < 0)
			rc = -NLE_FAILURE;
		if (rc == 0)
			rc = alloc(sock, cache);
		nl_socket_free(sock);
	}
	if (rc < 0)
		return err_set(err, ERR_FAILED, "netlink: %s", nl_geterror(rc));
	return 0;
}

static const char *address_text(struct nl_addr *address, char *buf, size_t size)
{
	return address != NULL ? nl_addr2str(address, buf, size) : "-";
}

static int all_links(struct nl_sock *sock, struct nl_cache **cache)
{
	return rtnl_link_alloc_cache(sock, AF_UNSPEC, cache);
}

int inventory_links(struct inventory *inventory, struct err *err)
{
	struct nl_cache *cache;

	if (dump(NETLINK_ROUTE, all_links, &cache, err) < 0)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct rtnl_link *link = (struct rtnl_link *)o;
		const char *type = rtnl_link_get_type(link), *alias = rtnl_link_get_ifalias(link);

		inventory_add(inventory, "link", "%s %d %s %s", rtnl_link_get_name(link),
			      rtnl_link_get_ifindex(link), type != NULL ? type : "-",
			      alias != NULL ? alias : "-");
	}
	nl_cache_free(cache);
	return 0;
}

static int all_addresses(struct nl_sock *sock, struct nl_cache **cache)
{
	return rtnl_addr_alloc_cache(sock, cache);
}

int inventory_addresses(struct inventory *inventory, struct err *err)
{
	struct nl_cache *cache;

	if (dump(NETLINK_ROUTE, all_addresses, &cache, err) < 0)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct rtnl_addr *addr = (struct rtnl_addr *)o;
		char text[128];

		inventory_add(inventory, "address", "%d %s", rtnl_addr_get_ifindex(addr),
			      address_text(rtnl_addr_get_local(addr), text, sizeof(text)));
	}
	nl_cache_free(cache);
	return 0;
}

static int all_routes(struct nl_sock *sock, struct nl_cache **cache)
{
	return rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, cache);
}

int inventory_routes(struct inventory *inventory, struct err *err)
{
	struct nl_cache *cache;

	if (dump(NETLINK_ROUTE, all_routes, &cache, err) < 0)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;
		struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
		char text[128];

		if (rtnl_route_get_flags(route) & RTM_F_CLONED)
			continue;
		inventory_add(inventory, "route", "%s dev %d table %u type %u",
			      address_text(rtnl_route_get_dst(route), text, sizeof(text)),
			      hop != NULL ? rtnl_route_nh_get_ifindex(hop) : 0,
			      rtnl_route_get_table(route), rtnl_route_get_type(route));
	}
	nl_cache_free(cache);
	return 0;
}

static int all_rules(struct nl_sock *sock, struct nl_cache **cache)
{
	return rtnl_rule_alloc_cache(sock, AF_UNSPEC, cache);
}

static int policy_rules(struct inventory *inventory, struct err *err)
{
	struct nl_cache *cache;

	if (dump(NETLINK_ROUTE, all_rules, &cache, err) < 0)
		return -1;
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct rtnl_rule *rule = (struct rtnl_rule *)o;

		inventory_add(inventory, "rule", "policy family %d priority %u table %u mark %u",
			      rtnl_rule_get_family(rule), rtnl_rule_get_prio(rule),
			      rtnl_rule_get_table(rule), rtnl_rule_get_mark(rule));
	}
	nl_cache_free(cache);
	return 0;
}

/* Each line of the ruleset under the table that it stands in. */
static void add_ruleset(struct inventory *inventory, char *ruleset)
{
	char table[256] = "";

	for (char *line = strtok(ruleset, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		if (strncmp(line, "table ", 6) == 0)
			(void)snprintf(table, sizeof(table), "%s", line);
		if (strcmp(line, "}") != 0)
			inventory_add(inventory, "rule", "nft %.*s: %s", (int)strcspn(table, "{"),
				      table, line);
	}
}

int inventory_rules(struct inventory *inventory, struct err *err)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char *copy;

	if (policy_rules(inventory, err) < 0)
		return -1;
	if (nft == NULL)
		return err_set(err, ERR_FAILED, "libnftables can't start");
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
	(void)nft_ctx_buffer_output(nft);
	(void)nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, "list ruleset\n") != 0) {
		nft_ctx_free(nft);
		return err_set(err, ERR_FAILED, "the nft ruleset can't be listed");
	}
	copy = strdup(nft_ctx_get_output_buffer(nft));
	if (copy != NULL)
		add_ruleset(inventory, copy);
	free(copy);
	nft_ctx_free(nft);
	return 0;
}

static int all_flows(struct nl_sock *sock, struct nl_cache **cache)
{
	return nfnl_ct_alloc_cache(sock, cache);
}

int inventory_conntrack(struct inventory *inventory, struct err *err)
{
	struct nl_cache *cache;
	struct err ignored;

	/* a kernel without conntrack netlink tracks nothing for us */
	(void)err;
	if (dump(NETLINK_NETFILTER, all_flows, &cache, &ignored) < 0)
		return 0;
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct nfnl_ct *ct = (struct nfnl_ct *)o;
		char src[128], dst[128];

		inventory_add(inventory, "conntrack", "proto %u %s %u > %s %u mark %u",
			      nfnl_ct_get_proto(ct),
			      address_text(nfnl_ct_get_src(ct, 0), src, sizeof(src)),
			      nfnl_ct_get_src_port(ct, 0),
			      address_text(nfnl_ct_get_dst(ct, 0), dst, sizeof(dst)),
			      nfnl_ct_get_dst_port(ct, 0), nfnl_ct_get_mark(ct));
	}
	nl_cache_free(cache);
	return 0;
}
