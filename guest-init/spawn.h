/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_SPAWN_H
#define GUEST_INIT_SPAWN_H

#include <sys/types.h>

/* fork(2) for everything that PID 1 starts: the child is in a session of its own, with default signals, without any
 * descriptor of PID 1 but its streams and *keep (whose number may change; NULL: none), and without CAP_SYS_BOOT for good, so that
 * every end of the machine goes through PID 1, which tells the host why. */
pid_t spawn_fork(int *keep);

#endif
