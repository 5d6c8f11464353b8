/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_POINTS_H
#define CLI_POINTS_H

/* The CLI's points of base/deaths.h: what has just been done. Their names are in points.c. */
enum points {
	POINTS_PLANNED, /* the spec is ready; nothing is written */
	POINTS_LISTENING,
	POINTS_SPOOLED,
	POINTS_LAUNCHED, /* a keeper was started, or its unit */
	POINTS_CONNECTED,
	POINTS_WAITING, /* a step of the keeper's was heard of */
	POINTS_READY,
	POINTS_LIVING, /* run: said to be ready */
	POINTS_ENDED,  /* run: its keeper has gone */
	POINTS_TAKEN,  /* one at rest, under its lock */
	POINTS_CHANGED,
	POINTS_RELEASED,
	POINTS_ASKED, /* a keeper, over its socket */
	POINTS_ANSWERED,
	POINTS_TOOL_STARTED,
	POINTS_TOOL_TOLD,
	POINTS_TOOL_ENDED,
	POINTS_DONE, /* the verb; its output may still be on its way */
	POINTS
};

#ifdef MAYFLY_INJECT
void points_meet(enum points point);
/* One a line, for the test that goes through all. */
void points_print(void);
#else
static inline void points_meet(enum points point)
{
	(void)point;
}
#endif

#endif
