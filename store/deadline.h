/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_DEADLINE_H
#define STORE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

/*
 * The date of a sandbox. Two bounds, whichever comes first: the absolute date on the real clock, and the life that was
 * granted, in elapsed time (CLOCK_BOOTTIME, summed over boots): a clock set back can't extend it. A host-wide
 * high-water mark of real time (STATE_DIR/clock) stands in for the clock where that is behind it, so a reboot with
 * the clock set back doesn't help either.
 *
 * A clock that jumps forward through the date expires it at once, but the jump is not `confirmed` until the clock
 * has stayed there for DEADLINE_CONFIRM_S: a disk is only deleted on a confirmed expiry. How long a host was off can't be
 * told from a clock that is wrong at boot, so that counts as a jump too, unless the kernel says that the clock is
 * synchronised (adjtimex(2)).
 *
 * Grace: for so long after a confirmed expiry a disk stays, by the same two clocks.
 */
#define DEADLINE_CONFIRM_S 3600
#define DEADLINE_JUMP_S                                                                            \
	120 /* real time may run ahead of elapsed time by this much between two looks */

/* The clocks, read once, so that decisions are pure. */
struct deadline_now {
	int64_t real_s;
	uint64_t boot_s;
	char boot_id[40];
	bool synced; /* the kernel's word for it that the real clock follows a reference */
};

/* STATE_DIR/clock. */
struct clock_record {
	uint32_t magic; /* "MFCK" */
	uint32_t version;
	int64_t high_s;	      /* the latest real time that was believed */
	int64_t mark_real_s;  /* both clocks at the last believed look … */
	uint64_t mark_boot_s; /* 0: none yet in this boot; mark_real_s is of an earlier one */
	uint64_t
		jump_boot_s; /* when a jump forward was first seen, in this boot; 0: none pending */
	char boot_id[40];
};

struct deadline_verdict {
	bool expired;
	bool confirmed;	 /* expired, and not only by a fresh jump of the clock */
	uint64_t left_s; /* 0 when expired: the smaller of both bounds */
	uint64_t
		elapsed_left_s; /* what the elapsed bound alone leaves; for a CLOCK_BOOTTIME timer */
	uint64_t over_s; /* confirmed: how long ago it expired, by the bound that came first; a jump
			    that isn't believed yet adds nothing */
};

/* Read the clocks and the boot id. 0, or -1 with err. */
int deadline_now(struct deadline_now *now, struct err *err);

/* A look at the clocks: clock (zeroed when there is none yet) is brought up to date. Pure. */
void deadline_observe(struct clock_record *clock, const struct deadline_now *now);

/* A life until deadline_s is granted now; renewals is left as it was. Pure. */
void deadline_grant(struct deadline_record *rec, const struct clock_record *clock,
		    const struct deadline_now *now, int64_t deadline_s);

/* The record of a date alone, whose own record is lost: no bound on elapsed time. Pure. */
void deadline_recall(struct deadline_record *rec, int64_t deadline_s);

/* Fold elapsed time up to now into the record. Pure. */
void deadline_account(struct deadline_record *rec, const struct deadline_now *now);

/* The decision. Pure. */
struct deadline_verdict deadline_check(const struct deadline_record *rec,
				       const struct clock_record *clock,
				       const struct deadline_now *now);

/* Has the time come for what an expired sandbox keeps? Else, with a grace and expired, it is in its grace. Pure. */
bool deadline_is_due(const struct deadline_verdict *verdict, uint64_t grace_s);

/* Confirmed, and so long past its date that its keeper, which has stop_timeout_s for the guest, must hang. Pure. */
bool deadline_is_overdue(const struct deadline_verdict *verdict, uint64_t stop_timeout_s);

/* Files. Reading gives ERR_NOT_FOUND when there is none. */
int deadline_read(const struct host_config *host, const char *id, struct deadline_record *rec,
		  struct err *err);
int deadline_write(const struct host_config *host, const char *id,
		   const struct deadline_record *rec, struct err *err);
/* Read STATE_DIR/clock (a missing or damaged one counts as none), observe, write it back when it moved by a minute or
 * a jump began or ended. read_only: observe without writing. 0, or -1 with err: one that could not be written is brought up
 * to date all the same, one that could not be read has no magic, confirms nothing by the real clock, and is not written. */
int deadline_clock(const struct host_config *host, const struct deadline_now *now, bool read_only,
		   struct clock_record *clock, struct err *err);

#endif
