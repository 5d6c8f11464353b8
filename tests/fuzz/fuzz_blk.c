/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * A disk whose driver has got to DRIVER_OK, so that every command goes deep. Input: one byte for read-only, one byte of
 * features that the driver leaves out, then commands.
 */
#include "tests/fuzz/support/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	devices_begin(data, size);
	init_model(DEV_BLK, (next() & 1) != 0);
	start();
	devices_run(DEV_BLK);
	return 0;
}
