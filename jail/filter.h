/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_FILTER_H
#define JAIL_FILTER_H

#include "base/err.h"
#include "jail/jail.h"

/*
 * The last wall: what each thread may still ask the kernel. The filters are compiled at build time from
 * seccomp_table.h; here bytes are installed. A call that the table doesn't name ends the monitor: SIGSYS, whose handler
 * sends LAUNCH_MSG_TRAP on LAUNCH_FD_CHANNEL and leaves with exit_group; those that only an attacker makes kill at once.
 */
#define JAIL_FILTER_EXIT_CODE 31 /* exit code of a monitor that was ended by its filter's handler */

/* Install the SIGSYS handler: once, before the first thread starts. 0, or -1 with err. */
int jail_filter_prepare(struct err *err);

/*
 * Put the filter for `kind` on the calling thread, for good. Other threads keep theirs. no_new_privs is on (jail_enter).
 * 0, or -1 with err. After it: no malloc that grows, no stdio, no strerror, no pthread_cond, no pthread_join.
 */
int jail_filter_install(enum jail_thread kind, struct err *err);

#endif
