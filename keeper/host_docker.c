/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_docker.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h> /* in front of linux/netfilter.h, which gives way to it */
#include <linux/netfilter.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <stdio.h>

#include "base/bug.h"
#include "base/id.h"
#include "keeper/ruleset.h"

#define CHAIN	      "DOCKER-USER"
#define COMMENT	      "mayfly host up"
#define COMMANDS_MAX  4096
#define ACCEPTS_MAX   32
#define LOOKS_MAX     10
#define LOOK_PAUSE_MS 20 /* somebody else is changing rules */

struct family {
	uint8_t number;
	const char *name;
};

static const struct family families[] = {
	{ NFPROTO_IPV4, "ip" },
	{ NFPROTO_IPV6, "ip6" },
};

/* Handles of the rules of ours in one chain; of more than fit these are the first. */
struct accepts {
	uint64_t handles[ACCEPTS_MAX];
	size_t n;
};

static void on_accept(uint64_t handle, void *arg)
{
	struct accepts *accepts = arg;

	if (accepts->n < ARRAY_SIZE(accepts->handles))
		accepts->handles[accepts->n++] = handle;
}

static int look(const struct family *family, struct accepts *accepts, struct err *err)
{
	for (int i = 0; i < LOOKS_MAX; i++) {
		if (i > 0)
			(void)poll(NULL, 0, LOOK_PAUSE_MS);
		accepts->n = 0;
		if (ruleset_each_rule(family->number, "filter", CHAIN, COMMENT, on_accept, accepts,
				      err) == 0)
			return 0;
		if (err->os_errno != EINTR)
			break;
	}
	return -1;
}

static int run(const char *commands, const char *what, struct err *err)
{
	struct nft_ctx *ctx = ruleset_open(err);
	int r = ctx ? ruleset_run(ctx, commands, what, err) : -1;

	ruleset_close(ctx);
	return r;
}

static int insert(const struct family *family, struct err *err)
{
	char commands[COMMANDS_MAX];
	struct accepts accepts;

	if (look(family, &accepts, err) < 0)
		return -1;
	if (accepts.n > 0)
		return 0;
	(void)snprintf(commands, sizeof(commands),
		       "insert rule %s filter " CHAIN " oifname \"" ID_TAP_PREFIX
		       "*\" accept comment \"" COMMENT "\"\n"
		       "insert rule %s filter " CHAIN " iifname \"" ID_TAP_PREFIX
		       "*\" accept comment \"" COMMENT "\"\n",
		       family->name, family->name);
	return run(commands, "add accepts to " CHAIN, err);
}

static int withdraw(const struct family *family, struct err *err)
{
	struct accepts accepts;

	for (int i = 0; i < LOOKS_MAX; i++) {
		char buf[COMMANDS_MAX] = "";
		struct ruleset_text commands = { .buf = buf, .size = sizeof(buf) };

		if (look(family, &accepts, err) < 0)
			return -1;
		if (accepts.n == 0)
			return 0;
		for (size_t k = 0; k < accepts.n; k++)
			ruleset_add(&commands,
				    "delete rule %s filter " CHAIN " handle %" PRIu64 "\n",
				    family->name, accepts.handles[k]);
		if (run(buf, "remove accepts from " CHAIN, err) < 0)
			return -1;
	}
	return err_set(err, ERR_RESIDUE, "accepts stay in " CHAIN " of %s", family->name);
}

/* Run step for each family that has the chain: how many have, or -1 */
static int each_family(int (*step)(const struct family *family, struct err *err), struct err *err)
{
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int there = ruleset_chain_exists(families[i].number, "filter", CHAIN, err);

		if (there < 0 || (there && step(&families[i], err) < 0))
			return -1;
		count += there;
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

static int require_accepts(const struct family *family, struct err *err)
{
	struct accepts accepts;

	if (look(family, &accepts, err) < 0)
		return -1;
	return accepts.n > 0 ? 0 : err_set(err, ERR_NOT_FOUND, CHAIN " lacks mayfly's accepts");
}

int host_docker_passes(struct err *err)
{
	if (each_family(require_accepts, err) >= 0)
		return 1;
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}
