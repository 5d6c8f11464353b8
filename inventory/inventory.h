/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef INVENTORY_INVENTORY_H
#define INVENTORY_INVENTORY_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/*
 * What is on this host, one line an object: "KIND TEXT". Two inventories are compared as sets of lines, so a line holds
 * what identifies an object and nothing that changes by itself (no counters, no times).
 */
struct inventory {
	char **lines;
	size_t n, room;
	const char *const *
		except; /* paths (and what is below them) that `files` leaves out; ends with NULL */
};

/* Add one line. Memory runs out: the program ends (it is a tool, and half an inventory is none). */
void inventory_add(struct inventory *inventory, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The kinds. Each adds its lines; 0, or -1 with err when the kernel wouldn't tell. */
int inventory_links(struct inventory *inventory, struct err *err);
int inventory_addresses(struct inventory *inventory, struct err *err);
int inventory_routes(struct inventory *inventory, struct err *err);
int inventory_rules(struct inventory *inventory,
		    struct err *err); /* policy routing and the nft ruleset */
int inventory_conntrack(struct inventory *inventory, struct err *err);
int inventory_namespaces(struct inventory *inventory, struct err *err);
int inventory_cgroups(struct inventory *inventory, struct err *err);
int inventory_mounts(struct inventory *inventory, struct err *err);
int inventory_processes(struct inventory *inventory, struct err *err);
int inventory_sockets(struct inventory *inventory,
		      struct err *err); /* listeners and named unix sockets */
int inventory_files(struct inventory *inventory, struct err *err);
int inventory_uids(struct inventory *inventory,
		   struct err *err); /* accounts, groups, subordinate ranges */
int inventory_sysctls(struct inventory *inventory, struct err *err); /* forwarding */

struct inventory_kind {
	const char *name; /* first word of its lines */
	int (*look)(struct inventory *inventory, struct err *err);
};

extern const struct inventory_kind inventory_kinds[];
extern const size_t inventory_n_kinds;

/* Look at all kinds; lines are sorted and unique afterwards. 0, or -1 with err naming the kind. */
int inventory_take(struct inventory *inventory, struct err *err);

/* As inventory_take, from a file that inventory_write made. */
int inventory_read(struct inventory *inventory, FILE *from, struct err *err);
void inventory_write(const struct inventory *inventory, FILE *to);

/* Print what is in one and not in the other, "+ line" and "- line"; the number of lines printed (to may be NULL). */
size_t inventory_difference(const struct inventory *before, const struct inventory *after,
			    FILE *to);

void inventory_fini(struct inventory *inventory);

#endif
