/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_ENTRY_H
#define VMM_BOOT_ENTRY_H

#include "vmm/mem/mem.h"

/* Where the boot CPU starts, and in what state. */
enum entry_kind {
	ENTRY_PVH, /* 32-bit protected mode, xen/docs/misc/pvh.pandoc; the start info is pvh.h's */
	ENTRY_LINUX, /* 64-bit mode, Documentation/arch/x86/boot.rst; the boot parameters are zeropage.h's */
};

struct entry {
	enum entry_kind kind;
	gpa_t gpa; /* below the hole */
};

#endif
