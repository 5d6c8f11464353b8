/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_H
#define KEEPER_REAP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * End what nobody holds any more: what a dead keeper left, a date that came while nothing ran, a half-made sandbox, a
 * keeper that outlived its date. One CTL_ITEM each (code 0: done, or with dry_run: would be). Any number may run at once.
 * Returns 0, or -1 with err (ERR_RESIDUE when something is left).
 */
int reap_run(const struct host_config *host, bool dry_run, const struct sink *sink,
	     struct err *err);

/*
 * Destroy one sandbox whose keeper can't be asked (none lives, or with force: it is killed). ERR_NOT_FOUND, ERR_RESIDUE.
 */
int reap_destroy(const struct host_config *host, const char *id, bool force,
		 const struct sink *sink, struct err *err);

/* What to do about one sandbox. Pure. */
enum reap_act {
	REAP_LEAVE,
	REAP_BOOK,
	REAP_STOP,
	REAP_GRACE, /* as when its date comes: stopped, its disk kept */
	REAP_ALL,
	REAP_KILL_THEN_GRACE,
	REAP_KILL_THEN_ALL,
};
struct reap_facts {
	bool held;			       /* its lock */
	bool has_spec, durable, has_disk, ran; /* ran: was ready once */
	bool unread;			       /* a spec is there, but not one of this version */
	bool here;			       /* RUN_DIR/ID is there */
	bool left;			       /* its last end could not clear everything */
	bool other_boot;		       /* and says that it is of another boot */
	bool expired;
	bool due;     /* confirmed, and its grace is over */
	bool grace;   /* confirmed, and its disk is kept for its grace */
	bool overdue; /* so long past its date that its keeper must hang */
	uint32_t end; /* enum end_reason of its `end` record; 0: none */
};
enum reap_act reap_decide(const struct reap_facts *facts, uint32_t *reason);

#endif
