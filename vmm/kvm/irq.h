/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_KVM_IRQ_H
#define VMM_KVM_IRQ_H

#include <stdint.h>

#include "vmm/kvm/vm.h"

/* A write to eventfd pulses interrupt line gsi (KVM api.rst 4.75). 0, or -1 with err. */
int irq_wire_line(const struct vm *vm, int eventfd, uint32_t gsi, struct err *err);

/* A guest's 4-byte write of `value` at gpa makes eventfd readable, without an exit (KVM api.rst 4.59). 0, or -1. */
int irq_wire_doorbell(const struct vm *vm, int eventfd, gpa_t gpa, uint32_t value, struct err *err);

#endif
