/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_VCPU_THREAD_H
#define VMM_MONITOR_VCPU_THREAD_H

#include <stdnoreturn.h>

#include "vmm/monitor/machine.h"

/* The life of a vCPU thread behind its filter: run the guest, answer its exits, until it ends. The only function of its
 * object: a test build replaces it. */
noreturn void vcpu_thread_run(struct machine *machine, struct vcpu *vcpu);

#endif
