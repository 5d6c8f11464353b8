/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_RECEIPT_H
#define CLI_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/id.h"
#include "base/proto/spec.h"
#include "base/str.h"
#include "store/journal.h"

/*
 * What a journal, or the receipt that it has become, says of a sandbox's objects: each as its last run had it.
 */
#define RECEIPT_MAX 128 /* objects; those beyond are left out */

struct receipt_row {
	char kind[32], object[288], identity[JOURNAL_LINE_MAX], look[32];
	long long made_s, absent_s; /* 0: not said */
};

struct receipt {
	char id[ID_SIZE], name[STR_NAME_MAX + 1];
	long long created_s, gone_s; /* gone_s 0: not gone */
	bool kept;		     /* as a receipt; else the journal of one that is there */
	char residue
		[JOURNAL_LINE_MAX]; /* what its last end could not clear: "KIND: why"; "": nothing */
	size_t n;
	struct receipt_row rows[RECEIPT_MAX];
};

/* Of that id, living or gone. 0, or -1 with err (ERR_NOT_FOUND: neither journal nor receipt). */
int receipt_read(const struct host_config *host, const char *id, struct receipt *receipt,
		 struct err *err);

/* The ids of gone sandboxes of that name, the last one first. Their number, which may be more than max; or -1 with err: one that
 * can't be read may be of that name, and the last. */
int receipt_find(const struct host_config *host, const char *name, char (*ids)[ID_SIZE], size_t max,
		 struct err *err);

/*
 * Some objects have no look of their own: they end with another kind. The kind that is looked for in place of this one, or
 * itself; and the kinds that end with this one, up to a NULL.
 */
const char *receipt_looked_as(const char *kind);
const char *const *receipt_kinds_in(const char *kind);

#endif
