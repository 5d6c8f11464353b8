/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/inject.h"

#ifdef MAYFLY_INJECT
#include <stdio.h>

#include "base/deaths.h"
#endif
#include "keeper/bringup.h"
#include "keeper/date.h"
#include "keeper/teardown.h"

#define BRINGUP_PHASES 4
#define PHASES	       2

/* Where each table's points begin, counted from 0. */
static unsigned inject_downs(void)
{
	return bringup_steps() * BRINGUP_PHASES;
}

static unsigned inject_renewals(void)
{
	return inject_downs() + teardown_steps() * PHASES;
}

static unsigned inject_reaps(void)
{
	return inject_renewals() + date_renew_steps() * PHASES;
}

unsigned inject_bringup(unsigned step, unsigned phase)
{
	return 1 + step * BRINGUP_PHASES + phase;
}

unsigned inject_teardown(unsigned step, unsigned phase)
{
	return 1 + inject_downs() + step * PHASES + phase;
}

unsigned inject_renew(unsigned step, unsigned phase)
{
	return 1 + inject_renewals() + step * PHASES + phase;
}

unsigned inject_reap(enum inject_reap done)
{
	return 1 + inject_reaps() + done;
}

#ifdef MAYFLY_INJECT
void inject_point(unsigned n)
{
	char name[64];

	deaths_meet(inject_name(n, name, sizeof(name)));
}

unsigned inject_count(void)
{
	return inject_reaps() + INJECT_REAPS;
}

const char *inject_name(unsigned n, char *buf, unsigned size)
{
	static const char *const up[BRINGUP_PHASES] = { "before", "intended", "made", "told" };
	static const char *const down[PHASES] = { "before", "undone" };
	static const char *const renew[PHASES] = { "before", "done" };
	static const char *const reap[INJECT_REAPS] = { "locked", "sandboxes", "slots", "spool" };
	unsigned i = n - 1;

	if (n == 0 || n > inject_count())
		return NULL;
	if (i < inject_downs())
		(void)snprintf(buf, size, "up %s %s", bringup_step_name(i / BRINGUP_PHASES),
			       up[i % BRINGUP_PHASES]);
	else if (i < inject_renewals())
		(void)snprintf(buf, size, "down %s %s",
			       teardown_step_name((i - inject_downs()) / PHASES),
			       down[(i - inject_downs()) % PHASES]);
	else if (i < inject_reaps())
		(void)snprintf(buf, size, "renew %s %s",
			       date_renew_step_name((i - inject_renewals()) / PHASES),
			       renew[(i - inject_renewals()) % PHASES]);
	else
		(void)snprintf(buf, size, "reap %s", reap[i - inject_reaps()]);
	return buf;
}
#endif
