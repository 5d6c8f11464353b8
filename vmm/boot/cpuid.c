/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/cpuid.h"

#include <asm/kvm_para.h>
#include <assert.h>

#include "base/bug.h"

static_assert(offsetof(struct cpuid_set, entries) == offsetof(struct kvm_cpuid2, entries), "ABI");

#define CPUID_ALL    UINT32_MAX
#define CPUID_BIT(n) (1u << (n))

#define CPUID_MAX_BASIC	   0xdu
#define CPUID_MAX_EXTENDED 0x80000021u

/* leaf 1 */
#define CPUID_1_ECX_MONITOR	 CPUID_BIT(3)
#define CPUID_1_ECX_VMX		 CPUID_BIT(5)
#define CPUID_1_ECX_PDCM	 CPUID_BIT(15)
#define CPUID_1_ECX_X2APIC	 CPUID_BIT(21)
#define CPUID_1_ECX_TSC_DEADLINE CPUID_BIT(24)
#define CPUID_1_ECX_HYPERVISOR	 CPUID_BIT(31)
#define CPUID_1_EDX_HTT		 CPUID_BIT(28)
/* leaf 6 */
#define CPUID_6_EAX_ARAT CPUID_BIT(2)
/* leaf 7: SGX, its launch control; AMX needs a permission that the monitor doesn't ask for */
#define CPUID_7_EBX_SGX	   CPUID_BIT(2)
#define CPUID_7_ECX_SGX_LC CPUID_BIT(30)
#define CPUID_7_EDX_AMX	   (CPUID_BIT(22) | CPUID_BIT(24) | CPUID_BIT(25))
/* leaf 0xd: state components 17 and 18 are AMX */
#define CPUID_D_EAX_AMX (CPUID_BIT(17) | CPUID_BIT(18))
/* leaf 0x80000001: SVM; AMD's extended topology leaves, which are cut off */
#define CPUID_81_ECX_SVM	CPUID_BIT(2)
#define CPUID_81_ECX_CMP_LEGACY CPUID_BIT(1)
#define CPUID_81_ECX_TOPOEXT	CPUID_BIT(22)

#define CPUID_KVM_FEATURES                                                                         \
	(CPUID_BIT(KVM_FEATURE_CLOCKSOURCE) | CPUID_BIT(KVM_FEATURE_NOP_IO_DELAY) |                \
	 CPUID_BIT(KVM_FEATURE_CLOCKSOURCE2) | CPUID_BIT(KVM_FEATURE_STEAL_TIME) |                 \
	 CPUID_BIT(KVM_FEATURE_PV_EOI) | CPUID_BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

struct cpuid_rule {
	uint32_t leaf;
	uint32_t eax, ebx, ecx, edx; /* bits that pass */
};

/* Leaves that aren't here don't pass. */
static const struct cpuid_rule cpuid_rules[] = {
	{ 0x0, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* vendor */
	{ 0x1, CPUID_ALL, CPUID_ALL, ~(CPUID_1_ECX_MONITOR | CPUID_1_ECX_VMX | CPUID_1_ECX_PDCM),
	  CPUID_ALL },
	{ 0x2, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* caches, Intel */
	{ 0x4, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* caches, Intel */
	{ 0x6, CPUID_6_EAX_ARAT, 0, 0, 0 },		     /* the APIC timer runs on in HLT */
	{ 0x7, CPUID_ALL, ~CPUID_7_EBX_SGX, ~CPUID_7_ECX_SGX_LC, ~CPUID_7_EDX_AMX },
	{ 0xd, ~CPUID_D_EAX_AMX, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* XSAVE areas */
	{ KVM_CPUID_SIGNATURE, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL },
	{ KVM_CPUID_FEATURES, CPUID_KVM_FEATURES, 0, 0, 0 },
	{ 0x80000000, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL },
	{ 0x80000001, CPUID_ALL, CPUID_ALL, ~(CPUID_81_ECX_SVM | CPUID_81_ECX_TOPOEXT), CPUID_ALL },
	{ 0x80000002, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* model name */
	{ 0x80000003, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL },
	{ 0x80000004, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL },
	{ 0x80000005, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* caches, AMD */
	{ 0x80000006, CPUID_ALL, CPUID_ALL, CPUID_ALL, CPUID_ALL }, /* caches, AMD */
	{ 0x80000007, 0, 0, 0, CPUID_ALL },			    /* invariant TSC */
	{ 0x80000008, CPUID_ALL, CPUID_ALL, 0, 0 }, /* address widths, speculation controls */
	{ 0x80000021, CPUID_ALL, 0, 0, 0 },	    /* speculation controls, AMD */
};

static const struct cpuid_rule *cpuid_find_rule(uint32_t leaf)
{
	for (size_t i = 0; i < ARRAY_SIZE(cpuid_rules); i++) {
		if (cpuid_rules[i].leaf == leaf)
			return &cpuid_rules[i];
	}
	return NULL;
}

void cpuid_filter(struct cpuid_set *set)
{
	const struct cpuid_rule *rule;
	struct kvm_cpuid_entry2 entry;
	uint32_t n = 0;

	BUG_ON(set->n_entries > CPUID_MAX_ENTRIES);
	for (uint32_t i = 0; i < set->n_entries; i++) {
		entry = set->entries[i];
		rule = cpuid_find_rule(entry.function);
		if (rule == NULL)
			continue;
		/* masks are about a leaf's first subleaf; the others of leaf 7 and 0xd pass but for AMX's areas */
		if (entry.index == 0) {
			entry.eax &= rule->eax;
			entry.ebx &= rule->ebx;
			entry.ecx &= rule->ecx;
			entry.edx &= rule->edx;
		} else if (entry.function == 0xd && (entry.index == 17 || entry.index == 18)) {
			continue;
		}
		set->entries[n++] = entry;
	}
	set->n_entries = n;
}

static uint32_t cpuid_set_bit(uint32_t value, uint32_t bit, bool on)
{
	return on ? value | bit : value & ~bit;
}

static uint32_t cpuid_min(uint32_t value, uint32_t max)
{
	return value < max ? value : max;
}

static void cpuid_fit_entry(struct kvm_cpuid_entry2 *entry, const struct cpuid_topology *topology)
{
	const bool many = topology->n_vcpus > 1;

	switch (entry->function) {
	case 0x0:
		entry->eax = cpuid_min(entry->eax, CPUID_MAX_BASIC);
		break;
	case 0x1:
		entry->ebx = (entry->ebx & 0xffff) | topology->n_vcpus << 16 | topology->vcpu << 24;
		entry->ecx |= CPUID_1_ECX_HYPERVISOR;
		entry->ecx =
			cpuid_set_bit(entry->ecx, CPUID_1_ECX_TSC_DEADLINE, topology->tsc_deadline);
		/* saves the exits of reading and masking each IOAPIC pin again */
		entry->ecx = cpuid_set_bit(entry->ecx, CPUID_1_ECX_X2APIC,
					   many && (entry->ecx & CPUID_1_ECX_X2APIC) != 0);
		entry->edx = cpuid_set_bit(entry->edx, CPUID_1_EDX_HTT, many);
		break;
	case 0x4: /* one thread a cache, n_vcpus cores a package */
		if ((entry->eax & 0x1f) != 0)
			entry->eax = (entry->eax & 0x3fff) | (topology->n_vcpus - 1) << 26;
		break;
	case KVM_CPUID_SIGNATURE:
		entry->eax = KVM_CPUID_FEATURES;
		break;
	case 0x80000000:
		entry->eax = cpuid_min(entry->eax, CPUID_MAX_EXTENDED);
		break;
	case 0x80000001:
		entry->ecx = cpuid_set_bit(entry->ecx, CPUID_81_ECX_CMP_LEGACY,
					   many && (entry->ecx & CPUID_81_ECX_CMP_LEGACY) != 0);
		break;
	case 0x80000008:
		entry->ecx = topology->n_vcpus - 1;
		break;
	}
}

void cpuid_fit(struct cpuid_set *set, const struct cpuid_topology *topology)
{
	for (uint32_t i = 0; i < set->n_entries; i++)
		cpuid_fit_entry(&set->entries[i], topology);
}
