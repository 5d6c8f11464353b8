/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Says hello and ends. */
#include "tests/kvm/guest/guest.h"

void guest_main(void)
{
	guest_console_start();
	guest_print("hello from the guest\n");
	guest_print("and once more\n");
}
