/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/kvm/irq.h"

#include <linux/kvm.h>

#include "vmm/kvm/call.h"

int irq_wire_line(const struct vm *vm, int eventfd, uint32_t gsi, struct err *err)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)eventfd, .gsi = gsi };

	return kvm_call(vm->fd, KVM_IRQFD, &irqfd, "KVM_IRQFD", err);
}

int irq_wire_doorbell(const struct vm *vm, int eventfd, gpa_t gpa, uint32_t value, struct err *err)
{
	struct kvm_ioeventfd doorbell = {
		.datamatch = value,
		.addr = gpa,
		.len = sizeof(value),
		.fd = eventfd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_call(vm->fd, KVM_IOEVENTFD, &doorbell, "KVM_IOEVENTFD", err);
}
