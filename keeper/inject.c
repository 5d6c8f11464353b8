/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/inject.h"

#include <signal.h>
#include <unistd.h>

#include "keeper/bringup.h"
#include "keeper/teardown.h"

#define BRINGUP_PHASES	3
#define TEARDOWN_PHASES 2

unsigned inject_bringup(unsigned step, unsigned phase)
{
	return 1 + step * BRINGUP_PHASES + phase;
}

unsigned inject_teardown(unsigned step, unsigned phase)
{
	return 1 + bringup_steps() * BRINGUP_PHASES + step * TEARDOWN_PHASES + phase;
}

#ifdef MAYFLY_INJECT
static unsigned inject_armed;

void inject_arm(unsigned n)
{
	inject_armed = n;
}

void inject_point(unsigned n)
{
	if (n == inject_armed)
		(void)kill(getpid(), SIGKILL);
}

unsigned inject_count(void)
{
	return bringup_steps() * BRINGUP_PHASES + teardown_steps() * TEARDOWN_PHASES;
}
#endif
