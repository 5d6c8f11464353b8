/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_AUDIT_H
#define KEEPER_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * A look over the whole host. Changes nothing.
 *
 * Left over: what carries a sandbox's mark (a derived name and the ownership mark beside it, a uid, a packet mark) and
 * belongs to none that lives: CTL_ITEM with ERR_RESIDUE. What a sandbox holds while it is made or unmade is seen by two
 * looks or not told.
 * Foreign: accounts, their authorized keys, listeners and taps that belong to no sandbox: CTL_NOTE. Never touched by anything
 * of mayfly's; somebody should know whose they are.
 *
 * In each record name is the kind and text the object. Returns how many are left over, or -1 with err, also when one of the
 * kinds of what sandboxes leave could not be looked at: then nothing is said of it.
 */
int audit_run(const struct host_config *host, const struct sink *sink, struct err *err);

/* ---- between audit.c and audit_foreign.c ---- */

struct audit {
	const struct host_config *host;
	const struct sink *sink;
	struct audit_list *found; /* of this look */
	struct err blind;	  /* what first kept it from looking at a kind; code 0: nothing */
};

/* Note one object; text in printf form. */
void audit_add(struct audit *audit, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "Nothing is left" may only be said of what was looked at: the first of them is what audit_run fails with. */
void audit_blind(struct audit *audit, const struct err *err);

/* The foreign kinds. What its user keeps from being read is left out. */
void audit_accounts(struct audit *audit);
void audit_listeners(struct audit *audit);

#endif
