/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* First instructions of a micro-guest without a PVH note: entered in 64-bit mode, esi is the address of the zero page. */
	.text
	.code64
	.globl	guest_entry
guest_entry:
	mov	$guest_stack_end, %esp
	mov	%esi, guest_zero_page
	call	guest_main
	.globl	guest_end
guest_end:				/* a triple fault */
	lidt	guest_no_idt
	ud2

	/* Load every selector again, now from the GDT in memory. A wrong descriptor is a triple fault. */
	.globl	guest_reload_segments
guest_reload_segments:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss
	mov	$0x20, %eax
	ltr	%ax
	pop	%rax
	push	$0x10
	push	%rax
	lretq

	.bss
	.balign	16
	.space	8192
guest_stack_end:
	.globl	guest_zero_page
guest_zero_page:
	.long	0

	.data
guest_no_idt:
	.word	0
	.quad	0

	.section .note.GNU-stack, "", @progbits
