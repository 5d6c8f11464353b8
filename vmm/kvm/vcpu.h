/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_KVM_VCPU_H
#define VMM_KVM_VCPU_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/boot/entry.h"
#include "vmm/kvm/vm.h"

struct vcpu {
	int fd;
	uint32_t id; /* also its APIC id; 0 is the boot CPU */
	struct kvm_run *run;
};

/* Make vCPU `id` of n_vcpus; the boot CPU will start at entry, the others wait for SIPI. 0, or -1 with
 * err. Changes vm->cpuid, which is fitted to this vCPU. */
int vcpu_open(struct vcpu *vcpu, struct vm *vm, uint32_t id, uint32_t n_vcpus,
	      const struct entry *entry, struct err *err);

/* KVM_RUN, on the vCPU's own thread: 0 with run->exit_reason, or an errno (EINTR: a signal came). */
int vcpu_run(const struct vcpu *vcpu);

/* After vcpu_run said EINTR: is it in HLT with interrupts off, or waiting for SIPI? Nothing of its own ends that. */
bool vcpu_is_halted(const struct vcpu *vcpu);

#endif
