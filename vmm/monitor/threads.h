/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_THREADS_H
#define VMM_MONITOR_THREADS_H

#include "vmm/monitor/machine.h"

/*
 * The vCPU threads, held back behind a gate: threads_start returns once each of them has its timer and its filter on,
 * none of them has run the guest. threads_release lets them go. 0, or -1 with err (then exit: threads can't be undone).
 */
int threads_start(struct machine *machine, struct err *err);
void threads_release(void);

#endif
