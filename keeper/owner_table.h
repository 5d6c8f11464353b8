/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_OWNER_TABLE_H
#define KEEPER_OWNER_TABLE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/id.h"
#include "base/proto/spec.h"

struct nft_ctx;

/*
 * The sandbox's own rules: table `netdev id_table(id)`, flags owner, an ingress and an egress chain on its tap, both
 * dropping by default. The kernel removes it with the netlink socket in ctx: on owner_table_close, and at the death of
 * the process. Make it before the guest's first instruction; the tap must be there and up.
 */
struct owner_table {
	struct nft_ctx *ctx; /* NULL: not open */
	int socket;	     /* of ctx's; -1: not known */
	bool cut;	     /* nothing passes */
};

#define OWNER_TABLE_INIT                                                                           \
	{                                                                                          \
		.ctx = NULL, .socket = -1, .cut = false                                            \
	}
#define OWNER_TABLE_TEXT_MAX 16384

/* Where the guest may send to (base/proto/spec.h). */
struct owner_egress {
	bool limited; /* false: whatever the other rules leave */
	uint32_t n;
	const struct spec_egress *list; /* of n; not read where limited is false */
};

/* One batch: all rules or none. The socket is close-on-exec: no child keeps the table alive. */
int owner_table_open(struct owner_table *table, const char *id, const struct slot_plan *plan,
		     const struct host_config *host, const struct owner_egress *egress,
		     struct err *err);

/* Let nothing pass any more, or again what the rules let pass. table->cut tells which it is. 0, or -1 with err. */
int owner_table_cut(struct owner_table *table, const char *id, bool cut, struct err *err);

/*
 * Take the rules away without a wait for the kernel to forget them, at the end of a process: the empty socket stays open, since
 * its close takes turns with all others'. Whether they are gone tells owner_table_absent; where not, owner_table_close does it.
 */
void owner_table_drop(struct owner_table *table, const char *id);

/* Releases the rules. Safe on one that is not open. */
void owner_table_close(struct owner_table *table);

/* 1: no such table; 0: there is one; -1: can't tell, err. */
int owner_table_absent(const char *id, struct err *err);

/* 1: this kernel and libnftables make netdev owner tables with egress; 0: no; tried on a table of its own on `lo`. */
int owner_table_possible(struct err *err);

/* The commands that owner_table_open runs, for tests and for people. Pure. */
void owner_table_text(const char *id, const struct slot_plan *plan, const struct host_config *host,
		      const struct owner_egress *egress, char buf[OWNER_TABLE_TEXT_MAX]);

#endif
