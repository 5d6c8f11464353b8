/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* An echo: takes the host's connection to port 1000, then connects to the host's port 2000, and on both sends back, in upper
 * case, each line that it gets; a connection that the host ends is ended here too. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

enum op {
	OP_REQUEST = 1,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST
};

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
	uint8_t data[256];
} __attribute__((packed));

#define HDR 44

static struct guest_queue rx, tx, event;
static struct packet in, out;
static uint32_t received[2]; /* by connection: fwd_cnt */

static void listen_more(void)
{
	guest_queue_add(&rx, &in, sizeof(in), true);
	guest_queue_offer(&rx);
}

static void receive(void)
{
	if (guest_queue_wait(&rx) >= 0)
		return;
	guest_print("BAD nothing comes\n");
	guest_end();
}

static void transmit(uint32_t src_port, uint32_t dst_port, enum op op, uint32_t len)
{
	out.src_cid = 3;
	out.dst_cid = 2;
	out.src_port = src_port;
	out.dst_port = dst_port;
	out.len = len;
	out.type = 1;
	out.op = op;
	out.flags = op == OP_SHUTDOWN ? 3 : 0;
	out.buf_alloc = 65536;
	out.fwd_cnt = received[src_port == 1000];
	guest_queue_add(&tx, &out, HDR + len, false);
	guest_queue_offer(&tx);
	if (guest_queue_wait(&tx) < 0)
		guest_end();
}

static void echo(void)
{
	const uint32_t len = in.len;

	for (uint32_t i = 0; i < len; i++)
		out.data[i] = in.data[i] >= 'a' && in.data[i] <= 'z' ? in.data[i] - 32 : in.data[i];
	received[in.dst_port == 1000] += len;
	transmit(in.dst_port, in.src_port, OP_RW, len);
}

/* One packet of the host's; true when it ended a connection. */
static bool answer(void)
{
	bool over = in.op == OP_SHUTDOWN || in.op == OP_RST;

	if (in.op == OP_REQUEST) {
		transmit(in.dst_port, in.src_port, in.dst_port == 1000 ? OP_RESPONSE : OP_RST, 0);
		if (in.dst_port == 1000) /* the host says that it listens before it connects */
			transmit(4000, 2000, OP_REQUEST, 0);
	} else if (in.op == OP_RESPONSE)
		guest_check(in.src_port == 2000, "host took the connection");
	else if (in.op == OP_RW)
		echo();
	else if (in.op == OP_SHUTDOWN)
		transmit(in.dst_port, in.src_port, OP_RST, 0);
	return over;
}

void guest_main(void)
{
	uint32_t n_over = 0;

	guest_console_start();
	guest_check(guest_device_start(SLOT_VSOCK, 19, 0), "vsock is there");
	guest_check(guest_read(guest_window(SLOT_VSOCK), VIRTIO_MMIO_CONFIG) == 3, "CID");
	guest_queue_start(SLOT_VSOCK, 0, &rx);
	guest_queue_start(SLOT_VSOCK, 1, &tx);
	guest_queue_start(SLOT_VSOCK, 2, &event);
	guest_device_go(SLOT_VSOCK);
	listen_more();
	while (n_over < 2) {
		receive();
		n_over += answer();
		listen_more();
	}
	guest_print("end\n");
}
