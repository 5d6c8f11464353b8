/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Goes on where there is no memory: nothing can be fetched there, and no KVM can go on. */
#include "tests/kvm/guest/guest.h"

void guest_main(void)
{
	guest_console_start();
	guest_print("astray\n");
	((void (*)(void))0xd0001000)();
}
