/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What a kernel without a PVH note finds: Documentation/arch/x86/boot.rst, "64-bit Boot Protocol", and zero-page.rst. */
#include <asm/bootparam.h>
#include <asm/processor-flags.h>

#include "tests/kvm/guest/guest.h"

#define MSR_EFER 0xc0000080u
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define RAM_END	 (16u << 20)

extern uint32_t guest_zero_page; /* what was in rsi */
void guest_reload_segments(void);

static uint64_t read_efer(void)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_EFER));
	return (uint64_t)high << 32 | low;
}

/* Memory below the hole is mapped, the devices' windows aren't: add them to the page tables that the monitor made. */
static void map_windows(void)
{
	static uint64_t directory[512] __attribute__((aligned(4096)));
	uint64_t cr3, *table;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	table = (uint64_t *)(uint32_t)(*(uint64_t *)(uint32_t)cr3 & ~0xfffull);
	directory[guest_window(0) >> 21 & 511] =
		guest_window(0) | 0x83; /* present, writable, 2 MiB */
	table[guest_window(0) >> 30] = (uint32_t)directory | 3;
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static void check_mode(void)
{
	uint64_t cr0, cr4, flags;
	uint16_t cs, ds, ss;

	__asm__ volatile("mov %%cr0, %0; mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	__asm__ volatile("mov %%cs, %0; mov %%ds, %1; mov %%ss, %2" : "=r"(cs), "=r"(ds), "=r"(ss));
	guest_check((cr0 & (X86_CR0_PE | X86_CR0_PG)) == (X86_CR0_PE | X86_CR0_PG), "paging is on");
	guest_check((cr4 & X86_CR4_PAE) != 0, "PAE is on");
	guest_check((read_efer() & (EFER_LME | EFER_LMA)) == (EFER_LME | EFER_LMA), "long mode");
	guest_check((flags & X86_EFLAGS_IF) == 0, "interrupts are off");
	guest_check(cs == 0x10 && ds == 0x18 && ss == 0x18, "selectors");
	guest_reload_segments();
	guest_check(true, "segments from the GDT");
}

static void check_map(void)
{
	volatile uint32_t *last = (volatile uint32_t *)(RAM_END - 4);

	*last = 0x12345678;
	guest_check(*last == 0x12345678, "the last word of RAM is mapped");
}

static void check_zero_page(const struct boot_params *params)
{
	const struct boot_e820_entry *e820 = params->e820_table;
	const char *cmdline = (const char *)params->hdr.cmd_line_ptr;

	guest_check(params->hdr.boot_flag == 0xaa55 && params->hdr.header == 0x53726448, "HdrS");
	guest_check(params->hdr.type_of_loader == 0xff && params->sentinel == 0,
		    "loader, sentinel");
	guest_check(memcmp(cmdline, "test virtio_mmio.device=", 24) == 0, "command line");
	guest_check(params->hdr.ramdisk_size == 5 &&
			    memcmp((const char *)params->hdr.ramdisk_image, "five\n", 5) == 0,
		    "initrd");
	guest_check(params->e820_entries == 3, "three ranges of memory");
	guest_check(e820[0].addr == 0 && e820[0].type == 1, "low RAM");
	guest_check(e820[1].addr == e820[0].size && e820[1].type == 2, "a reserved range");
	guest_check(e820[2].addr == 0x100000 && e820[2].addr + e820[2].size == RAM_END &&
			    e820[2].type == 1,
		    "high RAM");
}

void guest_main(void)
{
	map_windows();
	guest_console_start();
	check_mode();
	check_map();
	check_zero_page((const struct boot_params *)guest_zero_page);
	guest_print("end\n");
}
