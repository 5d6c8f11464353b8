/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Halts for good: interrupts off, then HLT. */
#include "tests/kvm/guest/guest.h"

void guest_main(void)
{
	guest_console_start();
	guest_print("halting\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}
