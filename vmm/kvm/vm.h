/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_KVM_VM_H
#define VMM_KVM_VM_H

#include <stddef.h>

#include "base/err.h"
#include "vmm/boot/cpuid.h"
#include "vmm/mem/mem.h"

/*
 * One VM. A VM belongs to the process that made it, so the monitor makes it itself, inside its jail, from the /dev/kvm
 * it was given. The order is what makes it fast: memory first, then the whole in-kernel interrupt controller (PIC,
 * IOAPIC, local APICs; default routing), never a PIT.
 */
struct vm {
	int kvm_fd; /* borrowed */
	int fd;
	size_t run_size; /* of a vCPU's struct kvm_run mapping */
	bool tsc_deadline;
	struct cpuid_set cpuid; /* filtered, not yet fitted to a vCPU */
};

/* 0, or -1 with err. mem's mappings stay for good. */
int vm_open(struct vm *vm, int kvm_fd, const struct mem *mem, struct err *err);

#endif
