/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Plays mayfly-init for the keeper: connects to the control port, says that it is ready, ends when it is told to; takes any
 * connection of the host's and ends by itself, without a word, on one to port 666. */
#include "tests/kvm/guest/guest.h"

#include "base/proto/guest.h"

enum op { OP_REQUEST = 1, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW };

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
	uint8_t data[256];
} __attribute__((packed));

#define HDR	     44
#define CONTROL_PORT 4000

static struct guest_queue rx, tx, event;
static struct packet in, out;

static void listen_more(void)
{
	guest_queue_add(&rx, &in, sizeof(in), true);
	guest_queue_offer(&rx);
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
	out.buf_alloc = 65536;
	guest_queue_add(&tx, &out, HDR + len, false);
	guest_queue_offer(&tx);
	if (guest_queue_wait(&tx) < 0)
		guest_end();
}

static void say(uint32_t type, const void *payload, uint32_t len)
{
	struct guest_frame head = { .type = type, .len = len };

	memcpy(out.data, &head, sizeof(head));
	memcpy(out.data + sizeof(head), payload, len);
	transmit(CONTROL_PORT, GUEST_PORT_CONTROL, OP_RW, sizeof(head) + len);
}

static void told(void)
{
	static const struct guest_end end = { .reason = GUEST_END_SHUTDOWN };
	struct guest_frame head;

	memcpy(&head, in.data, sizeof(head));
	if (head.type != GUEST_SHUTDOWN)
		return;
	say(GUEST_END, &end, sizeof(end));
	guest_print("told to end\n");
	guest_end();
}

static void answer(void)
{
	static const struct guest_ready ready = { .version = GUEST_VERSION };

	if (in.op == OP_RESPONSE)
		say(GUEST_READY, &ready, sizeof(ready));
	else if (in.op == OP_REQUEST && in.dst_port == 666)
		guest_end();
	else if (in.op == OP_REQUEST)
		transmit(in.dst_port, in.src_port, OP_RESPONSE, 0);
	else if (in.op == OP_RW && in.dst_port == CONTROL_PORT)
		told();
	else if (in.op == OP_SHUTDOWN)
		transmit(in.dst_port, in.src_port, OP_RST, 0);
}

void guest_main(void)
{
	guest_console_start();
	guest_check(guest_device_start(SLOT_VSOCK, 19, 0), "vsock is there");
	guest_queue_start(SLOT_VSOCK, 0, &rx);
	guest_queue_start(SLOT_VSOCK, 1, &tx);
	guest_queue_start(SLOT_VSOCK, 2, &event);
	guest_device_go(SLOT_VSOCK);
	guest_irq_start(SLOT_VSOCK); /* a crowd of them leaves the host's CPUs to the host */
	listen_more();
	transmit(CONTROL_PORT, GUEST_PORT_CONTROL, OP_REQUEST, 0);
	for (;;) {
		(void)guest_queue_sleep(&rx);
		answer();
		listen_more();
	}
}
