/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_LOOP_H
#define VMM_MONITOR_LOOP_H

#include <stdnoreturn.h>

#include "vmm/monitor/machine.h"

/* The life of the I/O thread behind its filter: wait, serve queues and streams, until the guest or the keeper ends. The
 * only function of its object: a test build replaces it. */
noreturn void loop_run(struct machine *machine);

#endif
