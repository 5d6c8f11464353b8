/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_LONGMODE_H
#define VMM_BOOT_LONGMODE_H

#include "vmm/mem/mem.h"

/*
 * What a CPU in 64-bit mode needs in memory: page tables that map all RAM below the hole to itself, and a GDT with the
 * descriptors that boot.rst asks for (AMD64 Architecture Programmer's Manual volume 2, §5.3 and §4.8).
 */
#define LONGMODE_CODE	   0x10u /* __BOOT_CS */
#define LONGMODE_DATA	   0x18u /* __BOOT_DS */
#define LONGMODE_TSS	   0x20u
#define LONGMODE_GDT_LIMIT 0x2fu /* the TSS's descriptor has 16 bytes */

/* Put both at their places (layout.h). The length of mem's first region is a multiple of 2 MiB. */
void longmode_write(const struct mem *mem);

#endif
