/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_DECIDE_H
#define KEEPER_REAP_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

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
	bool half;			       /* something that may be there could not be read */
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
