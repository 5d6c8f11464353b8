/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/points.h"

#ifdef MAYFLY_INJECT
#include <assert.h>
#include <stdio.h>

#include "base/bug.h"
#include "base/deaths.h"

static const char *const points_names[] = {
	[POINTS_PLANNED] = "cli planned",
	[POINTS_LISTENING] = "cli listening",
	[POINTS_SPOOLED] = "cli spooled",
	[POINTS_LAUNCHED] = "cli launched",
	[POINTS_CONNECTED] = "cli connected",
	[POINTS_WAITING] = "cli waiting",
	[POINTS_READY] = "cli ready",
	[POINTS_LIVING] = "cli living",
	[POINTS_ENDED] = "cli ended",
	[POINTS_TAKEN] = "cli taken",
	[POINTS_CHANGED] = "cli changed",
	[POINTS_RELEASED] = "cli released",
	[POINTS_ASKED] = "cli asked",
	[POINTS_ANSWERED] = "cli answered",
	[POINTS_TOOL_STARTED] = "cli tool-started",
	[POINTS_TOOL_TOLD] = "cli tool-told",
	[POINTS_TOOL_ENDED] = "cli tool-ended",
	[POINTS_DONE] = "cli done",
};
static_assert(ARRAY_SIZE(points_names) == POINTS, "a point without a name");

void points_meet(enum points point)
{
	deaths_meet(points_names[point]);
}

void points_print(void)
{
	for (unsigned i = 0; i < POINTS; i++)
		(void)puts(points_names[i]);
}
#endif
