/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_docker.h"

#include <netinet/in.h> /* in front of linux/netfilter.h, which gives way to it */
#include <linux/netfilter.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/id.h"
#include "keeper/ruleset.h"

#define CHAIN	     "DOCKER-USER"
#define COMMENT	     "mayfly host up"
#define COMMANDS_MAX 4096

static const struct {
	uint8_t family;
	const char *name;
} families[] = {
	{ NFPROTO_IPV4, "ip" },
	{ NFPROTO_IPV6, "ip6" },
};

/* The chain's listing, with handles; it lives until the context's next command. NULL with err. */
static const char *list(struct nft_ctx *ctx, const char *family, struct err *err)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "list chain %s filter " CHAIN "\n", family);
	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_HANDLE);
	return ruleset_run(ctx, command, "list " CHAIN, err) < 0 ? NULL
								 : nft_ctx_get_output_buffer(ctx);
}

static int insert(struct nft_ctx *ctx, const char *family, struct err *err)
{
	char commands[COMMANDS_MAX];
	const char *listing = list(ctx, family, err);

	if (!listing)
		return -1;
	if (strstr(listing, COMMENT))
		return 0;
	(void)snprintf(commands, sizeof(commands),
		       "insert rule %s filter " CHAIN " oifname \"" ID_TAP_PREFIX
		       "*\" accept comment \"" COMMENT "\"\n"
		       "insert rule %s filter " CHAIN " iifname \"" ID_TAP_PREFIX
		       "*\" accept comment \"" COMMENT "\"\n",
		       family, family);
	return ruleset_run(ctx, commands, "add accepts to " CHAIN, err);
}

static int withdraw(struct nft_ctx *ctx, const char *family, struct err *err)
{
	char buf[COMMANDS_MAX] = "";
	struct ruleset_text commands = { .buf = buf, .size = sizeof(buf) };
	const char *listing = list(ctx, family, err);

	if (!listing)
		return -1;
	/* 'RULE comment "…" # handle N' */
	for (const char *p = strstr(listing, COMMENT); p && commands.len < COMMANDS_MAX / 2;
	     p = strstr(p + 1, COMMENT)) {
		const char *handle = strstr(p, "# handle ");

		if (handle)
			ruleset_add(&commands, "delete rule %s filter " CHAIN " handle %lu\n",
				    family, strtoul(handle + strlen("# handle "), NULL, 10));
	}
	return commands.len == 0 ? 0 : ruleset_run(ctx, buf, "remove accepts from " CHAIN, err);
}

/* Run step for each family that has the chain: how many have, or -1 */
static int each_family(int (*step)(struct nft_ctx *ctx, const char *family, struct err *err),
		       struct err *err)
{
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int there = ruleset_chain_exists(families[i].family, "filter", CHAIN, err);
		struct nft_ctx *ctx;
		int r;

		if (there < 0)
			return -1;
		if (!there)
			continue;
		ctx = ruleset_open(err);
		r = ctx ? step(ctx, families[i].name, err) : -1;
		ruleset_close(ctx);
		if (r < 0)
			return -1;
		count++;
	}
	return count;
}

int host_docker_up(struct err *err)
{
	return each_family(insert, err);
}

int host_docker_down(struct err *err)
{
	return each_family(withdraw, err) < 0 ? -1 : 0;
}

static int require_accepts(struct nft_ctx *ctx, const char *family, struct err *err)
{
	const char *listing = list(ctx, family, err);

	if (!listing)
		return -1;
	return strstr(listing, COMMENT)
		       ? 0
		       : err_set(err, ERR_NOT_FOUND, CHAIN " lacks mayfly's accepts");
}

int host_docker_passes(struct err *err)
{
	if (each_family(require_accepts, err) >= 0)
		return 1;
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}
