/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A micro-guest's first instructions: entered by PVH, 32-bit protected mode, flat, no paging, interrupts off. */
	.section .note.Xen, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	guest_entry

	.text
	.code32
	.globl	guest_entry
guest_entry:
	mov	$guest_stack_end, %esp
	lgdt	guest_gdt_pointer
	push	%ebx
	call	guest_main
	.globl	guest_end
guest_end:				/* a triple fault: how a guest of ours ends */
	lidt	guest_no_idt
	ud2

	.globl	guest_irq_entry
guest_irq_entry:			/* comes only at the HLT of guest_irq_wait, which gives up eax */
	mov	$0xfee000b0, %eax	/* local APIC: end of interrupt */
	movl	$0, (%eax)
	incl	guest_n_irqs
	pop	%eax			/* not IRET: a KVM that emulates this code doesn't know it */
	add	$8, %esp		/* nor the flags: interrupts stay off, the next one waits for the next HLT */
	jmp	*%eax

	.data
	.balign	8
guest_gdt:				/* selectors as the monitor has set them: 0x10 code, 0x18 data */
	.quad	0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
guest_gdt_pointer:
	.word	31
	.long	guest_gdt
guest_no_idt:
	.word	0
	.long	0

	.bss
	.balign	16
	.space	8192
guest_stack_end:

	.section .note.GNU-stack, "", @progbits
