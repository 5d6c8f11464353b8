/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_BUS_H
#define VMM_MONITOR_BUS_H

#include "vmm/monitor/machine.h"

/*
 * Exits for ports and memory that KVM doesn't answer, on a vCPU thread. A window with a device goes to its registers;
 * everywhere else, at any width, reads give all ones, writes do nothing, and a counter moves: nothing a guest touches
 * ends the monitor.
 */
void bus_pio(struct machine *machine, struct kvm_run *run);
void bus_mmio(struct machine *machine, struct kvm_run *run);

#endif
