/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What a kernel finds when it is entered: memory, start info, registers, CPUID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <asm/bootparam.h>

#include "base/bug.h"
#include "vmm/boot/cpuid.h"
#include "vmm/boot/layout.h"
#include "vmm/boot/longmode.h"
#include "vmm/boot/pvh.h"
#include "vmm/boot/regs.h"
#include "vmm/boot/zeropage.h"

#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)

static void memory_below_the_hole(void **state)
{
	static uint8_t host[1];
	struct mem mem;

	(void)state;
	layout_regions(&mem, host, 16 * MIB);
	assert_int_equal(mem.n_regions, 1);
	assert_int_equal(mem.regions[0].gpa, 0);
	assert_int_equal(mem.regions[0].len, 16 * MIB);
	assert_ptr_equal(mem.regions[0].host, host);
	layout_regions(&mem, host, 3 * GIB);
	assert_int_equal(mem.n_regions, 1);
}

static void memory_around_the_hole(void **state)
{
	uint8_t *const host = (uint8_t *)(uintptr_t)0x10000; /* never touched */
	struct mem mem;

	(void)state;
	layout_regions(&mem, host, 3 * GIB + 2 * MIB);
	assert_int_equal(mem.n_regions, 2);
	assert_int_equal(mem.regions[0].len, 3 * GIB);
	assert_int_equal(mem.regions[1].gpa, 4 * GIB);
	assert_int_equal(mem.regions[1].len, 2 * MIB);
	assert_ptr_equal(mem.regions[1].host, host + 3 * GIB);
}

static void read_back(const struct mem *mem, gpa_t gpa, void *out, size_t len)
{
	assert_true(mem_read(mem, gpa, out, len));
}

static void start_info(void **state)
{
	uint8_t *host = calloc(1, 16 * MIB);
	struct pvh_start_info info;
	struct pvh_memory map[3];
	struct pvh_module module;
	char cmdline[6];
	struct mem mem;

	(void)state;
	assert_non_null(host);
	layout_regions(&mem, host, 16 * MIB);
	pvh_write(&mem, "quiet", 0xf00000, 1234);
	read_back(&mem, LAYOUT_START_INFO, &info, sizeof(info));
	assert_int_equal(info.magic, 0x336ec578);
	assert_int_equal(info.version, 1);
	assert_int_equal(info.rsdp_gpa, 0);
	assert_int_equal(info.n_modules, 1);
	read_back(&mem, info.modlist_gpa, &module, sizeof(module));
	assert_int_equal(module.gpa, 0xf00000);
	assert_int_equal(module.len, 1234);
	read_back(&mem, info.cmdline_gpa, cmdline, sizeof(cmdline));
	assert_string_equal(cmdline, "quiet");
	assert_int_equal(info.memmap_entries, 3);
	read_back(&mem, info.memmap_gpa, map, sizeof(map));
	assert_int_equal(map[0].type, 1);
	assert_int_equal(map[0].len, 639 * 1024);
	assert_int_equal(map[1].type, 2);
	assert_int_equal(map[1].gpa + map[1].len, MIB);
	assert_int_equal(map[2].type, 1);
	assert_int_equal(map[2].gpa, MIB);
	assert_int_equal(map[2].gpa + map[2].len, 16 * MIB);
	free(host);
}

static void start_info_without_initrd_above_4_gib(void **state)
{
	uint8_t *host = calloc(1, 2 * MIB);
	struct mem mem = { 2, { { 0, 2 * MIB, host }, { 4 * GIB, 8 * MIB, NULL } } };
	struct pvh_start_info info;
	struct pvh_memory high;

	(void)state;
	assert_non_null(host);
	pvh_write(&mem, "", 0, 0);
	read_back(&mem, LAYOUT_START_INFO, &info, sizeof(info));
	assert_int_equal(info.n_modules, 0);
	assert_int_equal(info.memmap_entries, 4);
	read_back(&mem, info.memmap_gpa + 3 * sizeof(high), &high, sizeof(high));
	assert_int_equal(high.type, 1);
	assert_int_equal(high.gpa, 4 * GIB);
	assert_int_equal(high.len, 8 * MIB);
	free(host);
}

static void zero_page(void **state)
{
	uint8_t *host = calloc(1, 16 * MIB);
	struct boot_params params;
	char cmdline[6];
	struct mem mem;

	(void)state;
	assert_non_null(host);
	layout_regions(&mem, host, 16 * MIB);
	zeropage_write(&mem, "quiet", 0xf00000, 1234);
	read_back(&mem, LAYOUT_ZERO_PAGE, &params, sizeof(params));
	assert_int_equal(params.hdr.boot_flag, 0xaa55);
	assert_memory_equal(&params.hdr.header, "HdrS", 4);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.hdr.loadflags & LOADED_HIGH, LOADED_HIGH);
	assert_int_equal(params.hdr.ramdisk_image, 0xf00000);
	assert_int_equal(params.hdr.ramdisk_size, 1234);
	assert_int_equal(params.sentinel, 0);
	read_back(&mem, params.hdr.cmd_line_ptr, cmdline, sizeof(cmdline));
	assert_string_equal(cmdline, "quiet");
	assert_int_equal(params.e820_entries, 3);
	assert_int_equal(params.e820_table[0].type, 1);
	assert_int_equal(params.e820_table[0].size, 639 * 1024);
	assert_int_equal(params.e820_table[1].type, 2);
	assert_int_equal(params.e820_table[2].addr, MIB);
	assert_int_equal(params.e820_table[2].addr + params.e820_table[2].size, 16 * MIB);
	free(host);
}

static void zero_page_without_initrd_above_4_gib(void **state)
{
	uint8_t *host = calloc(1, 2 * MIB);
	struct mem mem = { 2, { { 0, 2 * MIB, host }, { 4 * GIB, 8 * MIB, NULL } } };
	struct boot_params params;

	(void)state;
	assert_non_null(host);
	zeropage_write(&mem, "", 0, 0);
	read_back(&mem, LAYOUT_ZERO_PAGE, &params, sizeof(params));
	assert_int_equal(params.hdr.ramdisk_size, 0);
	assert_int_equal(params.e820_entries, 4);
	assert_int_equal(params.e820_table[3].addr, 4 * GIB);
	assert_int_equal(params.e820_table[3].size, 8 * MIB);
	free(host);
}

/* What the CPU does: -1 where nothing is mapped. AMD64 APM volume 2 §5.3.4. */
static int64_t walk(const struct mem *mem, gpa_t table, uint64_t address)
{
	for (unsigned int shift = 39; shift >= 21; shift -= 9) {
		uint64_t entry;

		read_back(mem, table + (address >> shift & 511) * 8, &entry, sizeof(entry));
		if ((entry & 3) != 3)
			return -1;
		table = entry & 0xffffffffff000;
		if (shift == 21)
			return (entry & 0x80) ? (int64_t)(table + (address & 0x1fffff)) : -1;
	}
	return -1;
}

static void page_tables(void **state)
{
	static const uint64_t sizes[] = { 16 * MIB, GIB - 2 * MIB, GIB, GIB + 2 * MIB, 3 * GIB };
	uint8_t *host = malloc(16 * MIB);
	uint64_t gdt[6];

	(void)state;
	assert_non_null(host);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		/* the tables lie in what is there of it */
		struct mem mem = { 1, { { 0, sizes[i], host } } };

		memset(host, 0, 16 * MIB);
		longmode_write(&mem);
		assert_int_equal(walk(&mem, LAYOUT_PML4, 0), 0);
		assert_int_equal(walk(&mem, LAYOUT_PML4, 0x1234567 % sizes[i]),
				 0x1234567 % sizes[i]);
		assert_int_equal(walk(&mem, LAYOUT_PML4, sizes[i] - 1), sizes[i] - 1);
		assert_int_equal(walk(&mem, LAYOUT_PML4, sizes[i]), -1);
		assert_int_equal(walk(&mem, LAYOUT_PML4, sizes[i] + GIB), -1);
		assert_int_equal(walk(&mem, LAYOUT_PML4, 1ull << 39), -1);
		read_back(&mem, LAYOUT_GDT, gdt, sizeof(gdt));
		assert_int_equal(gdt[0], 0);
		assert_int_equal(gdt[2], 0x00af9b000000ffff); /* L, execute and read, 4 GiB */
		assert_int_equal(gdt[3], 0x00cf93000000ffff); /* D, read and write, 4 GiB */
	}
	free(host);
}

static void registers_of_linux(void **state)
{
	const struct entry entry = { ENTRY_LINUX, 0x1000123 };
	struct kvm_sregs sregs = { .apic_base = 0xfee00900 };
	struct kvm_regs regs;

	(void)state;
	regs_init(&regs, &entry);
	regs_init_special(&sregs, entry.kind);
	assert_int_equal(regs.rip, 0x1000123);
	assert_int_equal(regs.rsi, LAYOUT_ZERO_PAGE);
	assert_int_equal(regs.rbx, 0);
	assert_int_equal(regs.rflags, 2);
	assert_int_equal(sregs.cr0, 0x80000011);
	assert_int_equal(sregs.cr3, LAYOUT_PML4);
	assert_int_equal(sregs.cr4, 0x20);
	assert_int_equal(sregs.efer, 0x500);
	assert_int_equal(sregs.cs.l, 1);
	assert_int_equal(sregs.cs.db, 0);
	assert_int_equal(sregs.cs.selector, 0x10);
	assert_int_equal(sregs.ds.selector, 0x18);
	assert_int_equal(sregs.gdt.base, LAYOUT_GDT);
	assert_int_equal(sregs.gdt.limit, 47);
	assert_int_equal(sregs.apic_base, 0xfee00900);
}

static void registers_of_pvh(void **state)
{
	const struct entry entry = { ENTRY_PVH, 0x1000200 };
	struct kvm_sregs sregs = { .efer = 0x500, .cr4 = 0x20, .apic_base = 0xfee00900 };
	struct kvm_regs regs;

	(void)state;
	regs_init(&regs, &entry);
	regs_init_special(&sregs, entry.kind);
	assert_int_equal(regs.rip, 0x1000200);
	assert_int_equal(regs.rbx, LAYOUT_START_INFO);
	assert_int_equal(regs.rflags, 2);
	assert_int_equal(sregs.cr0, 0x11);
	assert_int_equal(sregs.cr4, 0);
	assert_int_equal(sregs.efer, 0);
	assert_int_equal(sregs.apic_base, 0xfee00900); /* KVM's own */
	assert_int_equal(sregs.cs.type & 8, 8);
	assert_int_equal(sregs.cs.db, 1);
	assert_int_equal(sregs.cs.l, 0);
	assert_int_equal(sregs.ds.limit, 0xffffffff);
	assert_int_equal(sregs.ds.g, 1);
	assert_int_equal(sregs.tr.limit, 0x67);
}

static struct cpuid_set set;

static int setup_cpuid(void **state)
{
	static const struct kvm_cpuid_entry2 all[] = {
		{ .function = 0x0, .eax = 0x20 },
		{ .function = 0x1, .eax = 1, .ebx = 0xaabbccdd, .ecx = ~0u, .edx = ~0u },
		{ .function = 0x4, .eax = 0xffffc121, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
		{ .function = 0x7, .ebx = ~0u, .ecx = ~0u, .edx = ~0u },
		{ .function = 0xa, .eax = ~0u },
		{ .function = 0xd, .eax = ~0u },
		{ .function = 0xd, .index = 1, .eax = 0xf },
		{ .function = 0xd, .index = 18, .eax = 0x2000 },
		{ .function = 0x14, .eax = ~0u },
		{ .function = 0x40000000, .eax = 0x40000010, .ebx = 0x4b4d564b },
		{ .function = 0x40000001, .eax = ~0u, .edx = ~0u },
		{ .function = 0x80000000, .eax = 0x80000028 },
		{ .function = 0x80000001, .ecx = ~0u },
		{ .function = 0x80000008, .eax = 0x3028, .ecx = 0x7007 },
		{ .function = 0x8000000a, .eax = ~0u },
	};

	(void)state;
	memset(&set, 0, sizeof(set));
	memcpy(set.entries, all, sizeof(all));
	set.n_entries = ARRAY_SIZE(all);
	cpuid_filter(&set);
	return 0;
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < set.n_entries; i++) {
		if (set.entries[i].function == function && set.entries[i].index == index)
			return &set.entries[i];
	}
	return NULL;
}

static void cpuid_of_one_vcpu(void **state)
{
	const struct cpuid_topology one = { 1, 0, true };

	(void)state;
	cpuid_fit(&set, &one);
	assert_int_equal(leaf(0x0, 0)->eax, 0xd);
	assert_int_equal(leaf(0x1, 0)->ebx, 0x0001ccdd);
	assert_int_equal(leaf(0x1, 0)->ecx & 1u << 31, 1u << 31); /* hypervisor */
	assert_int_equal(leaf(0x1, 0)->ecx & 1u << 24, 1u << 24); /* TSC-deadline */
	assert_int_equal(leaf(0x1, 0)->ecx & (1u << 5 | 1u << 15 | 1u << 21),
			 0);				   /* VMX, PMU, x2APIC */
	assert_int_equal(leaf(0x1, 0)->edx & 1u << 28, 0); /* HTT */
	assert_int_equal(leaf(0x4, 0)->eax, 0x121);
	assert_int_equal(leaf(0x7, 0)->ebx & 1u << 2, 0); /* SGX */
	assert_null(leaf(0xa, 0));			  /* PMU */
	assert_null(leaf(0x14, 0));			  /* Processor Trace */
	assert_non_null(leaf(0xd, 1));
	assert_null(leaf(0xd, 18)); /* AMX */
	assert_int_equal(leaf(0x40000000, 0)->eax, 0x40000001);
	assert_int_equal(leaf(0x40000001, 0)->eax & 1u << 3, 1u << 3); /* kvm-clock */
	assert_int_equal(leaf(0x40000001, 0)->eax & 1u << 4, 0); /* asynchronous page faults */
	assert_int_equal(leaf(0x80000000, 0)->eax, 0x80000021);
	assert_int_equal(leaf(0x80000001, 0)->ecx & 1u << 2, 0); /* SVM */
	assert_null(leaf(0x8000000a, 0));
}

static void cpuid_of_the_third_of_four(void **state)
{
	const struct cpuid_topology first = { 4, 0, false }, third = { 4, 2, false };

	(void)state;
	cpuid_fit(&set, &first);
	cpuid_fit(&set, &third);
	assert_int_equal(leaf(0x1, 0)->ebx, 0x0204ccdd);
	assert_int_equal(leaf(0x1, 0)->ecx & 1u << 24, 0);	  /* this KVM has no TSC-deadline */
	assert_int_equal(leaf(0x1, 0)->ecx & 1u << 21, 1u << 21); /* x2APIC */
	assert_int_equal(leaf(0x1, 0)->edx & 1u << 28, 1u << 28);
	assert_int_equal(leaf(0x4, 0)->eax, 0x0c000121);
	assert_int_equal(leaf(0x80000008, 0)->ecx, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_below_the_hole),
		cmocka_unit_test(memory_around_the_hole),
		cmocka_unit_test(start_info),
		cmocka_unit_test(start_info_without_initrd_above_4_gib),
		cmocka_unit_test(zero_page),
		cmocka_unit_test(zero_page_without_initrd_above_4_gib),
		cmocka_unit_test(page_tables),
		cmocka_unit_test(registers_of_linux),
		cmocka_unit_test(registers_of_pvh),
		cmocka_unit_test_setup(cpuid_of_one_vcpu, setup_cpuid),
		cmocka_unit_test_setup(cpuid_of_the_third_of_four, setup_cpuid),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
