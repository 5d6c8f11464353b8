/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_UNIT_H
#define CLI_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Where systemd runs, a durable sandbox is a unit, asked for over D-Bus: mayfly@NAME.service, of the
 * installed template when that runs this very program, else a transient one. Where a template of
 * another installation has that name, the transient one is called mayfly-NAME.service.
 */

/* Does systemd run this host, and can it be asked? */
bool unit_possible(void);

/*
 * Start the unit of sandbox `name`, whose program is this one with `start --foreground NAME`:
 * Type=notify, Delegate=yes. config_path: --config for it; NULL: the usual one. Returns once systemd
 * has taken the job; the sandbox isn't ready yet. 0, or -1 with err.
 */
int unit_start(const char *name, const char *config_path, struct err *err);

/* Is this process in the unit that unit_start makes for `name`? */
bool unit_is_own(const char *name);

/* Is this process in the cgroup of a unit with Delegate=yes, which it may divide? */
bool unit_is_delegated(void);

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
bool unit_is_dead(const char *name, const char *config_path);

#endif
