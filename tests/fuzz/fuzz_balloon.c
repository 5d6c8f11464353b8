/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * A balloon whose driver has got to DRIVER_OK, so that every command goes deep. Input: one byte of
 * features that the driver leaves out, then commands.
 */
#include "tests/fuzz/support/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	devices_begin(data, size);
	init_model(DEV_BALLOON, false);
	start();
	devices_run(DEV_BALLOON);
	return 0;
}
