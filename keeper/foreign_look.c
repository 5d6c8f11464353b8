/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <net/route.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/str.h"
#include "keeper/foreign.h"
#include "keeper/ruleset.h"

#define FOREIGN_TAP    "mf-00000000"
#define FOREIGN_CHAINS 32 /* of the forward hook; a host with more has other worries */

/* ---- the uplink ---- */

static void uplink4(char name[IFNAMSIZ])
{
	FILE *file = fopen("/proc/net/route", "re");
	char line[256], interface[IFNAMSIZ];
	unsigned to, via, flags, mask;

	while (file && !name[0] && fgets(line, sizeof(line), file))
		if (sscanf(line, "%15s %x %x %x %*d %*d %*d %x", interface, &to, &via, &flags,
			   &mask) == 5 &&
		    to == 0 && mask == 0 && flags & RTF_UP)
			(void)str_copy(name, IFNAMSIZ, interface);
	if (file)
		(void)fclose(file);
}

static void uplink6(char name[IFNAMSIZ], bool *by_ra)
{
	FILE *file = fopen("/proc/net/ipv6_route", "re");
	char line[256], to[33], interface[IFNAMSIZ];
	unsigned prefix, flags;

	while (file && !name[0] && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %x %15s", to, &prefix, &flags,
			   interface) != 4 ||
		    prefix != 0 || strspn(to, "0") != 32 || !(flags & RTF_UP) || flags & RTF_REJECT)
			continue;
		(void)str_copy(name, IFNAMSIZ, interface);
		if (by_ra)
			*by_ra = flags & RTF_ADDRCONF;
	}
	if (file)
		(void)fclose(file);
}

void foreign_uplink(bool ipv6, char name[IFNAMSIZ], bool *by_ra)
{
	name[0] = '\0';
	if (by_ra)
		*by_ra = false;
	if (ipv6)
		uplink6(name, by_ra);
	else
		uplink4(name);
}

/* ---- the chains ---- */

struct chains {
	unsigned n;
	struct {
		uint8_t family;
		char table[FOREIGN_NAME_SIZE], chain[FOREIGN_NAME_SIZE];
	} list[FOREIGN_CHAINS];
};

static const struct {
	uint8_t family;
	const char *name;
	bool ipv4, ipv6;
} families[] = {
	{ NFPROTO_IPV4, "ip", true, false },
	{ NFPROTO_IPV6, "ip6", false, true },
	{ NFPROTO_INET, "inet", true, true },
};

static void note_chain(uint8_t family, const char *table, const char *chain, uint32_t hook,
		       void *arg)
{
	struct chains *chains = arg;

	if (hook != NF_INET_FORWARD || chains->n == FOREIGN_CHAINS ||
	    (family == NFPROTO_INET && strcmp(table, "mayfly") == 0))
		return;
	chains->list[chains->n].family = family;
	if (str_copy(chains->list[chains->n].table, FOREIGN_NAME_SIZE, table) &&
	    str_copy(chains->list[chains->n].chain, FOREIGN_NAME_SIZE, chain))
		chains->n++;
}

/* What sandboxes send, and what comes back; the worse of the two. */
static enum foreign_verdict judge(const char *listing, const char *chain, bool ipv6, bool *answers)
{
	char uplink[IFNAMSIZ];
	struct foreign_packet out = { .iif = FOREIGN_TAP, .oif = uplink, .ipv6 = ipv6 };
	struct foreign_packet back = {
		.iif = uplink, .oif = FOREIGN_TAP, .established = true, .ipv6 = ipv6
	};
	enum foreign_verdict there, again;

	foreign_uplink(ipv6, uplink, NULL);
	there = foreign_judge(listing, chain, &out);
	again = foreign_judge(listing, chain, &back);
	*answers = again > there;
	return *answers ? again : there;
}

static int look_at(struct nft_ctx *ctx, const struct chains *chains, unsigned i, bool with_ipv6,
		   struct foreign_finding *found, struct err *err)
{
	char command[FOREIGN_NAME_SIZE + 64];
	const char *listing;
	size_t f = 0;

	while (f < ARRAY_SIZE(families) && families[f].family != chains->list[i].family)
		f++;
	if (f == ARRAY_SIZE(families) || (!families[f].ipv4 && !with_ipv6))
		return 0; /* a bridge's, or of a family that sandboxes don't have */
	(void)snprintf(command, sizeof(command), "list table %s %s\n", families[f].name,
		       chains->list[i].table);
	if (ruleset_run(ctx, command, "read the host's firewall", err) < 0)
		return -1;
	listing = nft_ctx_get_output_buffer(ctx);
	for (int ipv6 = families[f].ipv4 ? 0 : 1; ipv6 <= (families[f].ipv6 && with_ipv6); ipv6++) {
		bool answers;
		enum foreign_verdict verdict =
			judge(listing, chains->list[i].chain, ipv6, &answers);

		if (verdict <= found->verdict)
			continue;
		found->verdict = verdict;
		found->answers = answers;
		(void)str_copy(found->family, sizeof(found->family), families[f].name);
		memcpy(found->table, chains->list[i].table, sizeof(found->table));
		memcpy(found->chain, chains->list[i].chain, sizeof(found->chain));
	}
	return 0;
}

int foreign_look(const struct host_config *host, struct foreign_finding *found, struct err *err)
{
	static struct chains chains;
	struct nft_ctx *ctx;
	int r = 0;

	*found = (struct foreign_finding){ .verdict = FOREIGN_PASSES };
	chains.n = 0;
	if (ruleset_each_chain(note_chain, &chains, err) < 0)
		return -1;
	if (chains.n == 0)
		return 0;
	ctx = ruleset_open(err);
	if (!ctx)
		return -1;
	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_STATELESS);
	for (unsigned i = 0; i < chains.n && r == 0; i++)
		r = look_at(ctx, &chains, i, host->ipv6, found, err);
	ruleset_close(ctx);
	return r;
}
