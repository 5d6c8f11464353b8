/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_UNIT_H
#define CLI_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Where systemd runs, a durable sandbox is the transient unit mayfly@NAME.service, asked for over
 * D-Bus.
 */

/* Does systemd run this host, and can it be asked? */
bool unit_possible(void);

/*
 * Start `argv` (argv[0]: absolute path) as the unit of sandbox `name`: Type=notify, Delegate=yes.
 * Returns once systemd has taken the job; the sandbox isn't ready yet. 0, or -1 with err.
 */
int unit_start(const char *name, char *const argv[], struct err *err);

/*
 * Put process pid, which must not have a child yet, into the transient scope mayfly-NAME.scope with
 * Delegate=yes, and wait (bounded) until it is there: a sandbox in the foreground divides that. 0,
 * or -1 with err.
 */
int unit_scope(const char *name, pid_t pid, struct err *err);

/*
 * Stop mayfly.slice, which systemd keeps when its last unit is gone. Best effort; waits (bounded)
 * until it is gone.
 */
void unit_stop_slice(void);

/* Has the unit failed or gone? For a start that is waited for. */
bool unit_is_dead(const char *name);

#endif
