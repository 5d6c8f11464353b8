/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_INJECT_H
#define KEEPER_INJECT_H

/*
 * Deaths on demand, only in the test build (MAYFLY_INJECT): the keeper kills itself, its monitor or both at a numbered point. The points are
 * the rows of the bring-up table (before a step, between its intent and its making, between that and its fact, after it)
 * and of the teardown table (before and after a step).
 */
#ifdef MAYFLY_INJECT
enum inject_victims {
	INJECT_KEEPER = 1u << 0,
	INJECT_CHILDREN = 1u << 1, /* the monitor, where there is one: it goes first */
};

/* At point n these are killed; 0: never. */
void inject_arm(unsigned n, unsigned victims);
/* Kills here when n is the armed point. */
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

unsigned inject_bringup(unsigned step, unsigned phase);	 /* phase 0 … 3 */
unsigned inject_teardown(unsigned step, unsigned phase); /* phase 0 … 1 */

#endif
