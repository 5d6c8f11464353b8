/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Sends a frame, waits for one, sends that one back. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

#define HDR 12

static struct guest_queue rx, tx;
static uint8_t in[HDR + 1518], out[HDR + 60] = {
	[HDR] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x4d, 0x46, 0, 0, 1,
	0x88,	      0xb5, 'p',  'i',	'n',  'g',
};

static bool send(const void *frame, uint32_t len)
{
	guest_queue_add(&tx, frame, len, false);
	guest_queue_offer(&tx);
	return guest_queue_wait(&tx) >= 0;
}

/* The next frame of our own ethertype; the host's kernel sends others (IPv6 discovery). Its length, -1 without one. */
static int32_t receive(void)
{
	int32_t len;

	for (uint32_t i = 0; i < 40; i++) {
		len = guest_queue_wait(&rx);
		if (len >= HDR + 14 && in[HDR + 12] == 0x88 && in[HDR + 13] == 0xb5)
			return len;
		if (len >= 0)
			guest_queue_again(&rx);
	}
	return -1;
}

void guest_main(void)
{
	guest_console_start();
	guest_check(!guest_device_start(SLOT_NET, 1, 1u << 5), "no card without receive offloads");
	guest_check(guest_device_start(SLOT_NET, 1, NET_FEATURES), "card is there");
	guest_check(guest_read(guest_window(SLOT_NET), VIRTIO_MMIO_CONFIG) == 0x00464d02,
		    "MAC address");
	guest_queue_start(SLOT_NET, 0, &rx);
	guest_queue_start(SLOT_NET, 1, &tx);
	guest_device_go(SLOT_NET);
	guest_queue_add(&rx, in, sizeof(in), true);
	guest_queue_offer(&rx);
	guest_check(send(out, sizeof(out)), "sent");
	guest_check(receive() == HDR + 60 && memcmp(in + HDR + 14, "pong", 4) == 0, "received");
	guest_check(send(in, HDR + 60), "sent back");
	guest_print("end\n");
}
