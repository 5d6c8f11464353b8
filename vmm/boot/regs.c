/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/regs.h"

#include <asm/processor-flags.h>
#include <string.h>

#include "vmm/boot/layout.h"

/* Segment types, Intel SDM volume 3 §3.4.5.1 and §3.5 */
#define REGS_TYPE_CODE 0xb /* execute, read, accessed */
#define REGS_TYPE_DATA 0x3 /* read, write, accessed */
#define REGS_TYPE_TSS  0xb /* 32-bit, busy */

void regs_init(struct kvm_regs *regs, uint32_t entry)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = entry;
	regs->rbx = LAYOUT_START_INFO;
	regs->rflags = X86_EFLAGS_FIXED;
}

void regs_init_special(struct kvm_sregs *sregs)
{
	const struct kvm_segment data = { .limit = UINT32_MAX,
					  .selector = 0x18,
					  .type = REGS_TYPE_DATA,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };

	sregs->cs = data;
	sregs->cs.selector = 0x10;
	sregs->cs.type = REGS_TYPE_CODE;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67, .selector = 0x20, .type = REGS_TYPE_TSS, .present = 1
	};
	sregs->cr0 = X86_CR0_PE | X86_CR0_ET;
	sregs->cr3 = 0;
	sregs->cr4 = 0;
	sregs->efer = 0;
}
