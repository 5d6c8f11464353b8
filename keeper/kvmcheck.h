/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_KVMCHECK_H
#define KEEPER_KVMCHECK_H

#include <stdint.h>

/*
 * Can this machine run a stock guest kernel? A host that emulates guest kernel code (KVM's instruction emulator, or a
 * nested hypervisor that gives no VMX or SVM) opens /dev/kvm all the same; it shows by time.
 */
enum kvmcheck_result {
	KVMCHECK_NONE,		/* no /dev/kvm, or it is no KVM */
	KVMCHECK_NO_PERMISSION, /* it is there, this process may not open it */
	KVMCHECK_EMULATES,	/* guest kernel code is emulated, hundreds of times too slow */
	KVMCHECK_OK,
};

struct kvmcheck {
	enum kvmcheck_result result;
	uint64_t ps_per_instruction; /* 0: not measured */
	char text[200];		     /* one sentence */
	char mend[200];		     /* one sentence; "" when there is nothing to mend */
};

/* Runs a loop of some 200,000 instructions in a tiny VM on `device` (NULL: /dev/kvm). At most about a second. Needs no
 * other privilege than opening the device. Uses SIGALRM's timer for its own thread, and puts handler and timer back. */
void kvmcheck_run(const char *device, struct kvmcheck *out);

#endif
