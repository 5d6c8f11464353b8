/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_MMIO_H
#define VMM_VIRTIO_MMIO_H

#include <stdint.h>

#include "vmm/virtio/device.h"

/*
 * The registers of a device: virtio-mmio version 2 (virtio 1.2 §4.2.2). Control registers take
 * aligned 32-bit accesses; the config space (offset 0x100 …) takes 1, 2, 4 and 8 bytes within its
 * length. Any other read gives 0; any other write, and one that comes at a time when the register
 * must not change, does nothing. Both are counted as guest errors.
 */
#define MMIO_WINDOW_LEN 0x1000

struct mmio_dev {
	struct virtio_dev *dev;
	uint32_t queue_sel;
	uint32_t device_features_sel;
	uint32_t driver_features_sel;
};

void mmio_init(struct mmio_dev *mmio, struct virtio_dev *dev);

/* Fill data[0 … len); offset counts from the start of the device's window, len is 1 … 8. */
void mmio_read(struct mmio_dev *mmio, uint64_t offset, void *data, uint32_t len);

/* Returns the queues that the I/O thread now has to serve (bit q: kick queue q): a QueueNotify that
 * took this way instead of the ioeventfd's, or all of them at DRIVER_OK. May
 * call the model's reset. */
uint32_t mmio_write(struct mmio_dev *mmio, uint64_t offset, const void *data, uint32_t len);

#endif
