/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_RULESET_H
#define KEEPER_RULESET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct nft_ctx;

/*
 * What gate and owner table share. Commands go through libnftables as text, which the callers generate from validated
 * ids and numbers only. Tables are looked up by one netlink message each: libnftables would read the whole ruleset.
 */

/* A context whose output and errors are buffered and whose netlink socket is close-on-exec; NULL with err. */
struct nft_ctx *ruleset_open(struct err *err);

/* Likewise, and *socket is that socket, borrowed until the context is closed; -1: can't be told. */
struct nft_ctx *ruleset_open_socket(int *socket, struct err *err);

/* Safe on NULL. Closes the socket, and with it the owner tables made through it. */
void ruleset_close(struct nft_ctx *ctx);

/* Run newline-terminated commands as one batch: all or none. err gets "can't WHAT: …" with nftables' first line. */
int ruleset_run(struct nft_ctx *ctx, const char *commands, const char *what, struct err *err);

/*
 * Delete one table through the socket that owns it: one message, where libnftables would read the whole ruleset first. It is
 * unlinked when this returns; the kernel frees it later, after one wait for all that were deleted meanwhile. (A socket
 * that is closed with its table waits for itself, and all others of the namespace behind it.) 0, or -1 with err.
 */
int ruleset_delete_table(int socket, uint8_t family, const char *name, struct err *err);

struct ruleset_table {
	uint32_t flags; /* NFT_TABLE_F_… */
	uint64_t handle;
	char comment[128];
};

/* Look up one table by family (NFPROTO_…) and name. 1: found, *table filled; 0: there is none; -1: err. */
int ruleset_find(uint8_t family, const char *name, struct ruleset_table *table, struct err *err);

/* Call visit with the name of each table of the family. 0, or -1 with err. */
int ruleset_each_table(uint8_t family, void (*visit)(const char *name, void *arg), void *arg,
		       struct err *err);

/* Likewise one chain. 1: there; 0: not (nor its table, maybe); -1: err. */
int ruleset_chain_exists(uint8_t family, const char *table, const char *chain, struct err *err);

/* Each base chain of each family: where it hooks in (NF_INET_…). 0, or -1 with err. */
typedef void ruleset_visit(uint8_t family, const char *table, const char *chain, uint32_t hook,
			   void *arg);
int ruleset_each_chain(ruleset_visit *visit, void *arg, struct err *err);

/*
 * Call visit with the handle of each rule of one chain that has this comment. libnftables' own listing may be cut short without a word.
 * 0, or -1 with err (os_errno EINTR: the ruleset changed meanwhile, and some may be missing or told twice).
 */
int ruleset_each_rule(uint8_t family, const char *table, const char *chain, const char *comment,
		      void (*visit)(uint64_t handle, void *arg), void *arg, struct err *err);

/* Commands are built line by line into a fixed buffer; one that does not fit is a bug. */
struct ruleset_text {
	char *buf;
	size_t size, len;
};

void ruleset_add(struct ruleset_text *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
