/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/kvm/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/boot/regs.h"
#include "vmm/kvm/call.h"

/* Intel SDM volume 4, table 2-2; UAPI headers have none of them */
#define VCPU_MSR_MISC_ENABLE	     0x1a0u
#define VCPU_MISC_ENABLE_FAST_STRING 1u
#define VCPU_MSR_MTRR_DEF_TYPE	     0x2ffu
#define VCPU_MTRR_ENABLED_WRITE_BACK (1u << 11 | 6u)

/* struct kvm_msrs with room */
struct vcpu_msrs {
	uint32_t n;
	uint32_t pad;
	struct kvm_msr_entry entries[2];
};

static_assert(offsetof(struct vcpu_msrs, entries) == offsetof(struct kvm_msrs, entries), "ABI");

/* What firmware would have set: all memory is cacheable, string instructions are fast. */
static int vcpu_set_msrs(const struct vcpu *vcpu, struct err *err)
{
	struct vcpu_msrs msrs = {
		.n = 2,
		.entries = { { .index = VCPU_MSR_MTRR_DEF_TYPE,
			       .data = VCPU_MTRR_ENABLED_WRITE_BACK },
			     { .index = VCPU_MSR_MISC_ENABLE,
			       .data = VCPU_MISC_ENABLE_FAST_STRING } },
	};

	/* fewer than n: this KVM hasn't the last one, and a guest does without */
	return kvm_call(vcpu->fd, KVM_SET_MSRS, &msrs, "KVM_SET_MSRS", err) < 0 ? -1 : 0;
}

static int vcpu_set_boot_state(const struct vcpu *vcpu, const struct entry *entry, struct err *err)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (kvm_call(vcpu->fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS", err) < 0)
		return -1;
	regs_init_special(&sregs, entry->kind);
	regs_init(&regs, entry);
	if (kvm_call(vcpu->fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS", err) < 0 ||
	    kvm_call(vcpu->fd, KVM_SET_REGS, &regs, "KVM_SET_REGS", err) < 0)
		return -1;
	return 0;
}

int vcpu_open(struct vcpu *vcpu, struct vm *vm, uint32_t id, uint32_t n_vcpus,
	      const struct entry *entry, struct err *err)
{
	const struct cpuid_topology topology = { n_vcpus, id, vm->tsc_deadline };

	vcpu->id = id;
	vcpu->fd = kvm_call_num(vm->fd, KVM_CREATE_VCPU, id, "KVM_CREATE_VCPU", err);
	if (vcpu->fd < 0)
		return -1;
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return err_sys(err, "mapping of a vCPU");
	cpuid_fit(&vm->cpuid, &topology);
	if (kvm_call(vcpu->fd, KVM_SET_CPUID2, &vm->cpuid, "KVM_SET_CPUID2", err) < 0 ||
	    vcpu_set_msrs(vcpu, err) < 0)
		return -1;
	return id == 0 ? vcpu_set_boot_state(vcpu, entry, err) : 0;
}

int vcpu_run(const struct vcpu *vcpu)
{
	return syscall(SYS_ioctl, vcpu->fd, KVM_RUN, 0) < 0 ? errno : 0;
}

bool vcpu_is_halted(const struct vcpu *vcpu)
{
	struct kvm_mp_state state;

	if (syscall(SYS_ioctl, vcpu->fd, KVM_GET_MP_STATE, &state) < 0)
		return false;
	return state.mp_state == KVM_MP_STATE_UNINITIALIZED ||
	       state.mp_state == KVM_MP_STATE_INIT_RECEIVED ||
	       (state.mp_state == KVM_MP_STATE_HALTED && vcpu->run->if_flag == 0);
}
