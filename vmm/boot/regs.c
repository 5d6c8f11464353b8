/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/regs.h"

#include <asm/processor-flags.h>
#include <string.h>

#include "vmm/boot/layout.h"
#include "vmm/boot/longmode.h"

/* Segment types, Intel SDM volume 3 §3.4.5.1 and §3.5 */
#define REGS_TYPE_CODE 0xb /* execute, read, accessed */
#define REGS_TYPE_DATA 0x3 /* read, write, accessed */
#define REGS_TYPE_TSS  0xb /* 32-bit, or 64-bit in long mode; busy */

/* AMD64 APM volume 2 §3.1.7; not among the UAPI headers */
#define REGS_EFER_LME (1u << 8)	 /* long mode enabled */
#define REGS_EFER_LMA (1u << 10) /* and active */

void regs_init(struct kvm_regs *regs, const struct entry *entry)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = entry->gpa;
	regs->rflags = X86_EFLAGS_FIXED;
	if (entry->kind == ENTRY_LINUX)
		regs->rsi = LAYOUT_ZERO_PAGE;
	else
		regs->rbx = LAYOUT_START_INFO;
}

/* Of the numbers of the selectors PVH says nothing: both kinds have the same. */
static void regs_init_segments(struct kvm_sregs *sregs)
{
	const struct kvm_segment data = { .limit = UINT32_MAX,
					  .selector = LONGMODE_DATA,
					  .type = REGS_TYPE_DATA,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };

	sregs->cs = data;
	sregs->cs.selector = LONGMODE_CODE;
	sregs->cs.type = REGS_TYPE_CODE;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67, .selector = LONGMODE_TSS, .type = REGS_TYPE_TSS, .present = 1
	};
}

void regs_init_special(struct kvm_sregs *sregs, enum entry_kind kind)
{
	regs_init_segments(sregs);
	sregs->cr0 = X86_CR0_PE | X86_CR0_ET;
	sregs->cr3 = 0;
	sregs->cr4 = 0;
	sregs->efer = 0;
	if (kind != ENTRY_LINUX)
		return;
	sregs->cs.db = 0;
	sregs->cs.l = 1;
	sregs->cr0 |= X86_CR0_PG;
	sregs->cr3 = LAYOUT_PML4;
	sregs->cr4 = X86_CR4_PAE;
	sregs->efer = REGS_EFER_LME | REGS_EFER_LMA;
	sregs->gdt = (struct kvm_dtable){ .base = LAYOUT_GDT, .limit = LONGMODE_GDT_LIMIT };
}
