/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Starts every device there is, offers buffers, and then does nothing for ever: it answers the host's first connection,
 * without ever giving it credit, and leaves all others without an answer. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

enum op { OP_REQUEST = 1, OP_RESPONSE };

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static struct guest_queue net_rx, net_tx, rx, tx, event;
static uint8_t frames[GUEST_RING][1530];
static struct packet in[GUEST_RING], out;

/* A ring full of chains of one buffer each. */
static void offer_all(struct guest_queue *q, void *bytes, uint32_t len)
{
	for (uint16_t i = 0; i < GUEST_RING; i++) {
		q->desc[i] = (struct guest_desc){ (uintptr_t)bytes + i * len, len, 2, 0 };
		q->avail.ring[i] = i;
	}
	q->avail.idx = GUEST_RING;
	guest_write(q->window, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

static void answer_first(void)
{
	if (guest_queue_wait(&rx) < 0 || in[0].op != OP_REQUEST)
		return;
	out = in[0];
	out.src_cid = 3;
	out.dst_cid = 2;
	out.src_port = in[0].dst_port;
	out.dst_port = in[0].src_port;
	out.op = OP_RESPONSE;
	out.buf_alloc = 0;
	guest_queue_add(&tx, &out, sizeof(out), false);
	guest_queue_offer(&tx);
	guest_print("answered\n");
}

void guest_main(void)
{
	bool has_net, has_vsock;

	guest_console_start();
	has_net = guest_device_start(SLOT_NET, 1, NET_FEATURES);
	if (has_net) {
		guest_queue_start(SLOT_NET, 0, &net_rx);
		guest_queue_start(SLOT_NET, 1, &net_tx);
		guest_device_go(SLOT_NET);
		offer_all(&net_rx, frames, sizeof(frames[0]));
	}
	has_vsock = guest_device_start(SLOT_VSOCK, 19, 0);
	if (has_vsock) {
		guest_queue_start(SLOT_VSOCK, 0, &rx);
		guest_queue_start(SLOT_VSOCK, 1, &tx);
		guest_queue_start(SLOT_VSOCK, 2, &event);
		guest_device_go(SLOT_VSOCK);
		offer_all(&rx, in, sizeof(in[0]));
	}
	guest_print("idle\n");
	while (has_vsock && rx.seen == 0)
		answer_first();
	for (;;)
		__asm__ volatile("pause");
}
