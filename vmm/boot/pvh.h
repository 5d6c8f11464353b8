/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_PVH_H
#define VMM_BOOT_PVH_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/boot/layout.h"
#include "vmm/mem/mem.h"

/*
 * What a kernel entered by PVH finds in memory (xen/include/public/arch-x86/hvm/start_info.h, version 1; not among
 * the UAPI headers): the start info, the memory map, one module (the initrd) and the command line.
 */
#define PVH_MAGIC   0x336ec578u
#define PVH_VERSION 1u

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t n_modules;
	uint64_t modlist_gpa;
	uint64_t cmdline_gpa;
	uint64_t rsdp_gpa; /* 0: there is no ACPI */
	uint64_t memmap_gpa;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t gpa;
	uint64_t len;
	uint64_t cmdline_gpa;
	uint64_t reserved;
};

struct pvh_memory {
	uint64_t gpa;
	uint64_t len;
	uint32_t type; /* enum layout_type */
	uint32_t reserved;
};

static_assert(sizeof(struct pvh_start_info) == 56, "ABI");
static_assert(sizeof(struct pvh_module) == 32, "ABI");
static_assert(sizeof(struct pvh_memory) == 24, "ABI");

/* Put all of it at its place (layout.h). cmdline is shorter than LAYOUT_CMDLINE_SIZE. initrd_len 0: no module. */
void pvh_write(const struct mem *mem, const char *cmdline, gpa_t initrd_gpa, uint64_t initrd_len);

#endif
