/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/zeropage.h"

#include <asm/bootparam.h>
#include <assert.h>
#include <string.h>

#include "base/bug.h"
#include "vmm/boot/layout.h"

#define ZEROPAGE_BOOT_FLAG	0xaa55u
#define ZEROPAGE_HEADER		0x53726448u /* "HdrS" */
#define ZEROPAGE_VERSION	0x020cu	    /* 2.12: the first with the 64-bit protocol's fields */
#define ZEROPAGE_UNKNOWN_LOADER 0xffu

static_assert(sizeof(struct boot_params) == 4096, "ABI");
static_assert(LAYOUT_ZERO_PAGE + sizeof(struct boot_params) <= LAYOUT_GDT, "no overlap");
static_assert(LAYOUT_CMDLINE + LAYOUT_CMDLINE_SIZE <= LAYOUT_ZERO_PAGE, "no overlap");

static void zeropage_fill_e820(const struct mem *mem, struct boot_params *params)
{
	struct layout_memory map[LAYOUT_MAX_MEMORY];
	const uint32_t n = layout_memmap(mem, map);

	for (uint32_t i = 0; i < n; i++)
		params->e820_table[i] =
			(struct boot_e820_entry){ map[i].gpa, map[i].len, map[i].type };
	params->e820_entries = (uint8_t)n;
}

/* Low memory always exists: a guest has 16 MiB at least. */
void zeropage_write(const struct mem *mem, const char *cmdline, gpa_t initrd_gpa,
		    uint64_t initrd_len)
{
	struct boot_params params = {
		.hdr = { .boot_flag = ZEROPAGE_BOOT_FLAG,
			 .header = ZEROPAGE_HEADER,
			 .version = ZEROPAGE_VERSION,
			 .type_of_loader = ZEROPAGE_UNKNOWN_LOADER,
			 .loadflags = LOADED_HIGH,
			 .ramdisk_image = (uint32_t)initrd_gpa,
			 .ramdisk_size = (uint32_t)initrd_len,
			 .cmd_line_ptr = LAYOUT_CMDLINE,
			 .cmdline_size = LAYOUT_CMDLINE_SIZE - 1 },
	};

	BUG_ON(strlen(cmdline) >= LAYOUT_CMDLINE_SIZE);
	BUG_ON(initrd_gpa > LAYOUT_HOLE_START || initrd_len > LAYOUT_HOLE_START - initrd_gpa);
	zeropage_fill_e820(mem, &params);
	BUG_ON(!mem_write(mem, LAYOUT_ZERO_PAGE, &params, sizeof(params)));
	BUG_ON(!mem_write(mem, LAYOUT_CMDLINE, cmdline, strlen(cmdline) + 1));
}
