/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* An interrupt wakes it from HLT: the line is wired, edge-triggered, at the pin that the MP table names. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

static struct guest_queue queue;
static uint8_t bytes[16];

void guest_main(void)
{
	guest_console_start();
	if (!guest_device_start(SLOT_RNG, 4, 0))
		guest_end();
	guest_queue_start(SLOT_RNG, 0, &queue);
	guest_device_go(SLOT_RNG);
	guest_irq_start(SLOT_RNG);
	guest_queue_add(&queue, bytes, sizeof(bytes), true);
	guest_queue_offer(&queue);
	guest_irq_wait();
	guest_check(guest_queue_wait(&queue) == sizeof(bytes), "interrupt came with the bytes");
	guest_check(guest_read(guest_window(SLOT_RNG), VIRTIO_MMIO_INTERRUPT_STATUS) == 1,
		    "used-buffer bit");
	guest_write(guest_window(SLOT_RNG), VIRTIO_MMIO_INTERRUPT_ACK, 1);
	guest_check(guest_read(guest_window(SLOT_RNG), VIRTIO_MMIO_INTERRUPT_STATUS) == 0,
		    "acknowledged");
	guest_print("end\n");
}
