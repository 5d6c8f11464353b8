/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Sends frames, takes frames, reads a disk, each as often as it may; the host holds the watch. */
#include "tests/kvm/guest/guest.h"

#define HDR   12
#define N     60
#define BLOCK 4096

static struct guest_queue rx, tx, disk;
static uint8_t in[HDR + 1518], block[BLOCK], status;
static uint8_t out[HDR + 1000] = { [HDR] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
				   0x4d,	 0x46, 0,    0,	   1,	 0x88, 0xb5 };
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;

static bool send_all(void)
{
	guest_queue_add(&tx, out, sizeof(out), false);
	for (uint32_t i = 0; i < N; i++) {
		if (i == 0)
			guest_queue_offer(&tx);
		else
			guest_queue_again(&tx);
		if (guest_queue_wait(&tx) < 0)
			return false;
	}
	return true;
}

static bool receive_all(void)
{
	for (uint32_t n = 0; n < N;) {
		if (guest_queue_wait(&rx) < 0)
			return false;
		n += in[HDR + 12] == 0x88 && in[HDR + 13] == 0xb5;
		guest_queue_again(&rx);
	}
	return true;
}

static bool read_all(void)
{
	guest_queue_add(&disk, &header, sizeof(header), false);
	guest_queue_add(&disk, block, sizeof(block), true);
	guest_queue_add(&disk, &status, 1, true);
	for (uint32_t i = 0; i < N; i++) {
		if (i == 0)
			guest_queue_offer(&disk);
		else
			guest_queue_again(&disk);
		if (guest_queue_wait(&disk) < 0 || status != 0)
			return false;
	}
	return true;
}

void guest_main(void)
{
	guest_console_start();
	guest_check(guest_device_start(SLOT_NET, 1, NET_FEATURES), "card is there");
	guest_queue_start(SLOT_NET, 0, &rx);
	guest_queue_start(SLOT_NET, 1, &tx);
	guest_device_go(SLOT_NET);
	guest_check(guest_device_start(SLOT_DISK0, 2, 0), "disk is there");
	guest_queue_start(SLOT_DISK0, 0, &disk);
	guest_device_go(SLOT_DISK0);
	guest_print("sending\n");
	guest_check(send_all(), "sent");
	guest_print("reading\n");
	guest_check(read_all(), "read");
	guest_queue_add(&rx, in, sizeof(in), true);
	guest_queue_offer(&rx);
	guest_print("receiving\n");
	guest_check(receive_all(), "received");
	guest_print("end\n");
}
