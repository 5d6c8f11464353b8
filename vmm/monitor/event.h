/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_EVENT_H
#define VMM_MONITOR_EVENT_H

#include "base/err.h"

/* eventfds, all made before the filters; written and read by writev and readv, which the threads have anyway. */
int event_open(int *fd, struct err *err); /* non-blocking; 0, or -1 with err */
void event_raise(int fd);
void event_clear(int fd);

#endif
