/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Rings every doorbell it has as fast as it can, with nothing behind it, and echoes what the host sends meanwhile. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

enum op { OP_REQUEST = 1, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW };

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
	uint8_t data[64];
} __attribute__((packed));

#define HDR 44

static struct guest_queue rx, tx, event, random;
static struct packet in;
static uint8_t bytes[64];

static void ring_all(void)
{
	for (uint32_t q = 0; q < 3; q++) {
		guest_write(rx.window, VIRTIO_MMIO_QUEUE_NOTIFY, q);
		guest_write(random.window, VIRTIO_MMIO_QUEUE_NOTIFY, q);
	}
}

static void transmit(enum op op, uint32_t len)
{
	static struct packet out;

	out = in;
	out.src_cid = 3;
	out.dst_cid = 2;
	out.src_port = in.dst_port;
	out.dst_port = in.src_port;
	out.op = op;
	out.len = len;
	out.buf_alloc = 65536;
	guest_queue_add(&tx, &out, HDR + len, false);
	guest_queue_offer(&tx);
	if (guest_queue_wait(&tx) < 0)
		guest_end();
}

static void answer(void)
{
	if (in.op == OP_REQUEST)
		transmit(OP_RESPONSE, 0);
	else if (in.op == OP_RW)
		transmit(OP_RW, in.len);
	else if (in.op == OP_SHUTDOWN || in.op == OP_RST)
		guest_end();
}

void guest_main(void)
{
	guest_console_start();
	guest_check(guest_device_start(SLOT_VSOCK, 19, 0), "vsock is there");
	guest_queue_start(SLOT_VSOCK, 0, &rx);
	guest_queue_start(SLOT_VSOCK, 1, &tx);
	guest_queue_start(SLOT_VSOCK, 2, &event);
	guest_device_go(SLOT_VSOCK);
	guest_check(guest_device_start(SLOT_RNG, 4, 0), "entropy is there");
	guest_queue_start(SLOT_RNG, 0, &random);
	guest_device_go(SLOT_RNG);
	guest_queue_add(&rx, &in, sizeof(in), true);
	guest_queue_offer(&rx);
	guest_queue_add(&random, bytes, sizeof(bytes), true);
	guest_queue_offer(&random);
	guest_print("end\n");
	for (;;) {
		ring_all();
		if (__atomic_load_n(&random.used.idx, __ATOMIC_ACQUIRE) != random.seen) {
			random.seen++;
			guest_queue_again(&random);
		}
		if (__atomic_load_n(&rx.used.idx, __ATOMIC_ACQUIRE) == rx.seen)
			continue;
		rx.seen++;
		answer();
		guest_queue_again(&rx);
	}
}
