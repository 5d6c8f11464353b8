/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_REGS_H
#define VMM_BOOT_REGS_H

#include <linux/kvm.h>
#include <stdint.h>

/*
 * The boot CPU's state at the PVH entry point (xen/docs/misc/pvh.pandoc): 32-bit protected mode without paging, flat
 * segments, interrupts off, ebx = address of the start info.
 */
void regs_init(struct kvm_regs *regs, uint32_t entry);

/* Change what the entry demands; the rest of *sregs is as KVM has it after reset. */
void regs_init_special(struct kvm_sregs *sregs);

#endif
