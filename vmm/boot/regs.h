/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_REGS_H
#define VMM_BOOT_REGS_H

#include <linux/kvm.h>
#include <stdint.h>

#include "vmm/boot/entry.h"

/*
 * The boot CPU's state at the kernel's entry point. Of both kinds: flat segments, interrupts off. By PVH: 32-bit protected
 * mode without paging, ebx = address of the start info. Linux: 64-bit mode on the page tables and the GDT of longmode.h,
 * rsi = address of the boot parameters.
 */
void regs_init(struct kvm_regs *regs, const struct entry *entry);

/* Change what the entry demands; the rest of *sregs is as KVM has it after reset. */
void regs_init_special(struct kvm_sregs *sregs, enum entry_kind kind);

#endif
