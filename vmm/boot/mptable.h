/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_MPTABLE_H
#define VMM_BOOT_MPTABLE_H

#include <stdint.h>

#include "vmm/boot/layout.h"

/*
 * MultiProcessor Specification 1.4: how a guest without ACPI learns of its CPUs, the IOAPIC and the interrupt lines.
 * All virtio lines are on an ISA bus, so edge-triggered and active high: what a plain irqfd delivers.
 */
#define MPTABLE_IOAPIC_PINS 24

/* Fill out with the floating pointer and the table behind it, to be put at LAYOUT_MPTABLE. n_vcpus is 1 … 8. Of the virtio
 * lines only those are in it whose bits are set in lines (bit n is GSI n): each costs the guest's kernel several exits. */
void mptable_build(uint8_t out[LAYOUT_MPTABLE_SIZE], uint32_t n_vcpus, uint32_t lines);

#endif
