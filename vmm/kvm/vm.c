/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/kvm/vm.h"

#include <linux/kvm.h>

#include "base/bug.h"
#include "vmm/boot/layout.h"
#include "vmm/kvm/call.h"

static const struct {
	int capability;
	const char *name;
} vm_needs[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
};

static int vm_check(struct vm *vm, struct err *err)
{
	int version = kvm_call_num(vm->kvm_fd, KVM_GET_API_VERSION, 0, "KVM_GET_API_VERSION", err);
	int n;

	if (version < 0)
		return -1;
	if (version != KVM_API_VERSION)
		return err_set(err, ERR_FAILED,
			       "KVM speaks version %d of its interface instead of %d", version,
			       KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(vm_needs); i++) {
		n = kvm_call_num(vm->kvm_fd, KVM_CHECK_EXTENSION,
				 (unsigned long)vm_needs[i].capability, "KVM_CHECK_EXTENSION", err);
		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(err, ERR_FAILED, "KVM of this host lacks %s",
				       vm_needs[i].name);
	}
	n = kvm_call_num(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER,
			 "KVM_CHECK_EXTENSION", err);
	if (n < 0)
		return -1;
	vm->tsc_deadline = n > 0;
	n = kvm_call_num(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE", err);
	if (n < 0)
		return -1;
	vm->run_size = (size_t)n;
	return 0;
}

static int vm_set_memory(struct vm *vm, const struct mem *mem, struct err *err)
{
	for (uint32_t i = 0; i < mem->n_regions; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].len,
			.userspace_addr = (uintptr_t)mem->regions[i].host,
		};

		if (kvm_call(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot,
			     "KVM_SET_USER_MEMORY_REGION", err) < 0)
			return -1;
	}
	return 0;
}

int vm_open(struct vm *vm, int kvm_fd, const struct mem *mem, struct err *err)
{
	uint64_t identity_map = LAYOUT_KVM_IDENTITY_MAP;

	*vm = (struct vm){ .kvm_fd = kvm_fd, .fd = -1 };
	if (vm_check(vm, err) < 0)
		return -1;
	vm->fd = kvm_call_num(kvm_fd, KVM_CREATE_VM, 0, "KVM_CREATE_VM", err);
	if (vm->fd < 0 ||
	    kvm_call(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map, "KVM_SET_IDENTITY_MAP_ADDR",
		     err) < 0 ||
	    kvm_call_num(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS, "KVM_SET_TSS_ADDR", err) < 0 ||
	    vm_set_memory(vm, mem, err) < 0 ||
	    kvm_call_num(vm->fd, KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP", err) < 0)
		return -1;
	vm->cpuid.n_entries = CPUID_MAX_ENTRIES;
	if (kvm_call(kvm_fd, KVM_GET_SUPPORTED_CPUID, &vm->cpuid, "KVM_GET_SUPPORTED_CPUID", err) <
	    0)
		return -1;
	cpuid_filter(&vm->cpuid);
	return 0;
}
