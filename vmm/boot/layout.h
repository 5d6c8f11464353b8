/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_LAYOUT_H
#define VMM_BOOT_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#include "vmm/mem/mem.h"

/*
 * Guest-physical memory, from below:
 *
 *	0x00001000  PVH start info, memory map, module list
 *	0x00002000  kernel command line
 *	0x00003000  boot parameters (the "zero page") of Linux's 64-bit protocol
 *	0x00004000  its GDT
 *	0x00005000  its page tables: one of each upper level, one directory for each GiB below the hole
 *	0x0009fc00  MP table, in the last KiB of base memory, where kernels look for it
 *	0x000a0000  nothing for the guest to use, up to 1 MiB
 *	0x00100000  RAM: the kernel where its ELF headers say, the initrd at the end
 *	0xc0000000  the hole: virtio-mmio windows, IOAPIC, local APIC, pages that KVM needs for itself
 *	0x100000000 the rest of RAM
 */
#define LAYOUT_START_INFO   0x1000u
#define LAYOUT_MEMMAP	    0x1100u
#define LAYOUT_MODLIST	    0x1800u
#define LAYOUT_CMDLINE	    0x2000u
#define LAYOUT_CMDLINE_SIZE 2048u /* COMMAND_LINE_SIZE of x86: Linux cuts off what is longer */
#define LAYOUT_ZERO_PAGE    0x3000u
#define LAYOUT_GDT	    0x4000u
#define LAYOUT_PML4	    0x5000u
#define LAYOUT_PDPT	    0x6000u
#define LAYOUT_PAGE_DIRS    0x7000u
#define LAYOUT_MPTABLE	    0x9fc00u
#define LAYOUT_MPTABLE_SIZE 1024u
#define LAYOUT_LOW_RAM_END  LAYOUT_MPTABLE
#define LAYOUT_HIGH_START   0x100000u /* the kernel and the initrd lie above */
#define LAYOUT_HOLE_START   0xc0000000u
#define LAYOUT_HOLE_END	    0x100000000u

#define LAYOUT_MMIO_BASE   0xd0000000u
#define LAYOUT_MMIO_STRIDE 0x1000u
#define LAYOUT_FIRST_GSI   5u
#define LAYOUT_LAST_GSI	   23u
#define LAYOUT_MAX_DEVICES (LAYOUT_LAST_GSI - LAYOUT_FIRST_GSI + 1)

#define LAYOUT_IOAPIC		0xfec00000u
#define LAYOUT_LAPIC		0xfee00000u
#define LAYOUT_KVM_IDENTITY_MAP 0xfffbc000u /* one page */
#define LAYOUT_KVM_TSS		0xfffbd000u /* three pages */

static_assert(LAYOUT_MPTABLE == 639 * 1024, "kernels look in the last KiB of 640 KiB base memory");
static_assert(LAYOUT_MMIO_BASE >= LAYOUT_HOLE_START, "devices lie in the hole");
static_assert(LAYOUT_MMIO_BASE + LAYOUT_MAX_DEVICES * LAYOUT_MMIO_STRIDE <= LAYOUT_IOAPIC,
	      "devices lie below the IOAPIC");

enum layout_type { LAYOUT_RAM = 1, LAYOUT_RESERVED = 2 }; /* as in E820 and in PVH's memory map */

#define LAYOUT_MAX_MEMORY 4

/* A range of guest-physical memory as the kernel is told of it. */
struct layout_memory {
	gpa_t gpa;
	uint64_t len;
	enum layout_type type;
};

/* RAM of memory_bytes as one or two regions; host pointers point into one mapping of all of it, in guest order. */
void layout_regions(struct mem *mem, uint8_t *host, uint64_t memory_bytes);

/* What the kernel is told of mem; returns the number of ranges. */
uint32_t layout_memmap(const struct mem *mem, struct layout_memory map[LAYOUT_MAX_MEMORY]);

#endif
