/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_PROC_H
#define JAIL_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A pid alone may be somebody else's by now; pid and start time together name one process until the next boot. */

/* Start time of a process in clock ticks since boot (proc(5), stat field 22). 0, or -1 with err (ERR_NOT_FOUND: gone). */
int proc_start_time(pid_t pid, uint64_t *start_time, struct err *err);

/* Is it still that process, and not a zombie? 1, 0, or -1 with err where that can't be told. */
int proc_alive(pid_t pid, uint64_t start_time, struct err *err);

/* Likewise, for who does nothing about one of which that can't be told. */
bool proc_is_alive(pid_t pid, uint64_t start_time);

/* Does any process but a zombie have this uid (real, effective, saved or file system)? 1 with *pid, 0, or -1 with err. */
int proc_uid_in_use(uint32_t uid, pid_t *pid, struct err *err);

/* Call visit for each process but zombies that has one of the uids first … first + n - 1, until it returns false. 0, or -1
 * with err. */
int proc_each_of_uids(uint32_t first, uint32_t n, bool (*visit)(pid_t pid, uint32_t uid, void *arg),
		      void *arg, struct err *err);

#endif
