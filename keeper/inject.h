/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_INJECT_H
#define KEEPER_INJECT_H

/*
 * The keeper's points of base/deaths.h, which are the rows of its tables: bring-up (before a step, between its intent and
 * its making, between that and its fact, after it), teardown and renewal (before and after a step), and what reap does
 * around them.
 */
enum inject_reap {
	INJECT_REAP_LOCKED,
	INJECT_REAP_SANDBOXES,
	INJECT_REAP_SLOTS,
	INJECT_REAP_SPOOL,
	INJECT_REAPS
};

unsigned inject_bringup(unsigned step, unsigned phase);	 /* phase 0 … 3 */
unsigned inject_teardown(unsigned step, unsigned phase); /* phase 0 … 1 */
unsigned inject_renew(unsigned step, unsigned phase);	 /* phase 0 … 1 */
unsigned inject_reap(enum inject_reap done);

#ifdef MAYFLY_INJECT
/* Point n is met: what base/deaths.h is armed with happens here. */
void inject_point(unsigned n);
/* The step that point n stands at, for a table of them; NULL: there is no such point. */
const char *inject_name(unsigned n, char *buf, unsigned size);
/* How many points there are. */
unsigned inject_count(void);
#else
static inline void inject_point(unsigned n)
{
	(void)n;
}
#endif

#endif
