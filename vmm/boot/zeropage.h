/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_ZEROPAGE_H
#define VMM_BOOT_ZEROPAGE_H

#include <stdint.h>

#include "vmm/mem/mem.h"

/*
 * What Linux finds in memory when it is entered in 64-bit mode (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol",
 * and zero-page.rst): struct boot_params with the E820 map, and the command line. There was no bzImage whose header could
 * be copied, so the header is what a boot loader has to tell.
 */

/* Put both at their places (layout.h). cmdline is shorter than LAYOUT_CMDLINE_SIZE. initrd_len 0: no initrd. An initrd
 * lies below the hole. */
void zeropage_write(const struct mem *mem, const char *cmdline, gpa_t initrd_gpa,
		    uint64_t initrd_len);

#endif
