/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_CPUID_H
#define VMM_BOOT_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What CPUID shows the guest: what KVM supports here, cut down by a table of the leaves that a Linux guest needs. Each
 * leaf that it needn't ask for saves an exit; nested virtualisation, PMU, SGX and power management aren't there.
 */
#define CPUID_MAX_ENTRIES 128

/* struct kvm_cpuid2 with room */
struct cpuid_set {
	uint32_t n_entries;
	uint32_t padding;
	struct kvm_cpuid_entry2 entries[CPUID_MAX_ENTRIES];
};

struct cpuid_topology {
	uint32_t n_vcpus;
	uint32_t vcpu;
	bool tsc_deadline; /* KVM emulates the TSC-deadline timer (KVM_CAP_TSC_DEADLINE_TIMER) */
};

/* Filter set, as KVM_GET_SUPPORTED_CPUID filled it, once. */
void cpuid_filter(struct cpuid_set *set);

/* Fit a filtered set to one vCPU; can be called for one vCPU after the other. */
void cpuid_fit(struct cpuid_set *set, const struct cpuid_topology *topology);

#endif
