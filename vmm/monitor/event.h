/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_EVENT_H
#define VMM_MONITOR_EVENT_H

#include <stdint.h>

#include "base/err.h"

/* eventfds and timers, all made before the filters; written and read by writev and readv, which the threads have anyway. */
int event_open(int *fd, struct err *err); /* non-blocking; 0, or -1 with err */
void event_raise(int fd);
uint64_t event_clear(int fd); /* what it had counted, 0: nothing */

/* A timer that counts so many ticks a second, the clock of those who may not ask for the time. The kernel works on it
 * only while somebody waits: after the first tick it counts the others when it is read. */
int event_open_clock(int *fd, uint32_t ticks_per_s, struct err *err); /* 0, or -1 with err */

#endif
