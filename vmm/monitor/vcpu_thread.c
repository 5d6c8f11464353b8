/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Halt detection: a vCPU in HLT with interrupts off, or one that waits for its SIPI, never comes back from KVM_RUN. A
 * timer's signal interrupts each vCPU once a second; when all of them are seen halted in two looks one after the other,
 * nothing can wake them any more. (An NMI could; this machine has nothing that sends one.)
 */
#include "vmm/monitor/vcpu_thread.h"

#include <errno.h>

#include "vmm/monitor/bus.h"

#define VCPU_THREAD_LOOKS 2

static void vcpu_thread_look(struct machine *machine, const struct vcpu *vcpu)
{
	const bool halted = vcpu_is_halted(vcpu);
	uint32_t n_halted = 0;

	machine_lock(machine);
	if (!halted)
		machine->halted_looks[vcpu->id] = 0;
	else if (machine->halted_looks[vcpu->id] < VCPU_THREAD_LOOKS)
		machine->halted_looks[vcpu->id]++;
	for (uint32_t i = 0; i < machine->n_vcpus; i++)
		n_halted += machine->halted_looks[i] == VCPU_THREAD_LOOKS;
	machine_unlock(machine);
	if (n_halted == machine->n_vcpus)
		machine_finish(machine, LAUNCH_END_HALTED, 0);
}

static void vcpu_thread_exit(struct machine *machine, const struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		bus_pio(machine, vcpu->run);
		break;
	case KVM_EXIT_MMIO:
		bus_mmio(machine, vcpu->run);
		break;
	case KVM_EXIT_SHUTDOWN: /* triple fault */
	case KVM_EXIT_SYSTEM_EVENT:
		machine_finish(machine, LAUNCH_END_RESET, vcpu->run->exit_reason);
	default:
		machine_finish(machine, LAUNCH_END_KVM_ERROR, vcpu->run->exit_reason);
	}
}

noreturn void vcpu_thread_run(struct machine *machine, struct vcpu *vcpu)
{
	int error;

	for (;;) {
		error = vcpu_run(vcpu);
		if (error == 0)
			vcpu_thread_exit(machine, vcpu);
		else if (error == EINTR)
			vcpu_thread_look(machine, vcpu);
		else if (error != EAGAIN) /* EAGAIN: woken by its SIPI */
			machine_finish(machine, LAUNCH_END_KVM_ERROR, (uint32_t)error);
	}
}
