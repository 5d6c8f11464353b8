/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Any device through its registers, from reset on. Input: one byte for the device, then commands. */
#include "tests/fuzz/support/devices.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum device device;

	devices_begin(data, size);
	device = next() % N_DEVICES;
	init_model(device, false);
	devices_run(device);
	return 0;
}
