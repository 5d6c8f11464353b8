/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_DATE_H
#define KEEPER_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct keeper;

/*
 * The date, watched: a timer on the real clock that also fires when that clock is set, and one on elapsed time that fires
 * at least each minute and books what has elapsed. Whichever fires, store/deadline.h decides, and
 * keeper/notice.h what is to be told.
 */

/* Grant the spec's life and write it down. Refuses a date that has come. */
int date_grant(struct keeper *k, struct err *err);

/* Take up the life of one that was stopped: book what has elapsed since. Refuses a date that has come, and says so in
 * k->life. */
int date_resume(struct keeper *k, struct err *err);

/* Make both timers and arm them. */
int date_open(struct keeper *k, struct err *err);

/* Something has changed: let date_tick look within a second. */
void date_soon(struct keeper *k);

/* A timer fired: decide, book, re-arm. True: the date has come. */
bool date_tick(struct keeper *k);

/* A new date, on disk before anybody is told. uid: whose process asks; who: the name it gives. Refuses one that has come, or when the old one has. */
int date_renew(struct keeper *k, int64_t deadline_s, const char *who, const char *reason,
	       struct err *err);

/* The date has come, not only by a jump of the clock that may be an error, and there is no grace left? */
bool date_is_due(const struct keeper *k);

/* When its grace ends, if it has one; else 0. */
int64_t date_grace_until(const struct keeper *k);

/* At the end of a run: book what has elapsed, for who takes the life up again. */
void date_book(struct keeper *k);

/* The steps of a renewal, in their order. */
unsigned date_renew_steps(void);
const char *date_renew_step_name(unsigned step);

/* Seconds left; 0: it has come. */
uint64_t date_left(const struct keeper *k);

#endif
