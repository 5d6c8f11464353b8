/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_UNIT_SUPPORT_VSOCK_GUEST_H
#define TESTS_UNIT_SUPPORT_VSOCK_GUEST_H

/* A guest that sends vsock packets by hand on one side, streams in arrays on the other. */
#include "tests/unit/support/driver.h"

#include <errno.h>
#include <linux/virtio_vsock.h>

#include "base/bug.h"
#include "vmm/virtio/vsock.h"

#define CID	   7u
#define OFFER_PORT 1u
#define GUEST_PORT 5000u
#define RX_BUF_LEN 4096u
#define OP(name)   VIRTIO_VSOCK_OP_##name

static struct driver d;
static struct vsock v;

static struct stream {
	uint8_t to_host[100000];
	size_t to_host_len;
	size_t room; /* bytes it takes before -EAGAIN */
	int write_error;
	const char *to_guest;
	size_t to_guest_len;
	bool eof;
	int read_error;
	unsigned int n_shutdown, n_closed;
} streams[VSOCK_MAX_CONNS];

static inline ssize_t stream_read(void *ctx, uint32_t slot, const struct iovec *iov, int n)
{
	struct stream *s = &streams[slot];
	size_t done = 0;

	assert_ptr_equal(ctx, streams);
	assert_int_equal(s->n_closed, 0);
	if (s->read_error != 0)
		return s->read_error;
	if (s->to_guest_len == 0)
		return s->eof ? 0 : -EAGAIN;
	for (int i = 0; i < n && done < s->to_guest_len; i++) {
		size_t left = s->to_guest_len - done;
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(iov[i].iov_base, s->to_guest + done, part);
		done += part;
	}
	s->to_guest += done;
	s->to_guest_len -= done;
	return (ssize_t)done;
}

static inline ssize_t stream_write(void *ctx, uint32_t slot, const struct iovec *iov, int n)
{
	struct stream *s = &streams[slot];
	size_t done = 0;

	assert_ptr_equal(ctx, streams);
	assert_int_equal(s->n_closed, 0);
	assert_int_equal(s->n_shutdown, 0);
	if (s->write_error != 0)
		return s->write_error;
	for (int i = 0; i < n; i++) {
		size_t part = iov[i].iov_len < s->room ? iov[i].iov_len : s->room;

		assert_true(s->to_host_len + part <= sizeof(s->to_host));
		memcpy(s->to_host + s->to_host_len, iov[i].iov_base, part);
		s->to_host_len += part;
		s->room -= part;
		done += part;
	}
	return done > 0 ? (ssize_t)done : -EAGAIN;
}

static inline void stream_shutdown(void *ctx, uint32_t slot)
{
	assert_ptr_equal(ctx, streams);
	assert_int_equal(streams[slot].n_closed, 0);
	streams[slot].n_shutdown++;
}

static inline void stream_closed(void *ctx, uint32_t slot)
{
	assert_ptr_equal(ctx, streams);
	assert_int_equal(streams[slot].n_closed++, 0);
}

static const struct vsock_backend backend = {
	.read = stream_read,
	.write = stream_write,
	.shutdown = stream_shutdown,
	.closed = stream_closed,
};

static inline void new_stream(uint32_t slot)
{
	memset(&streams[slot], 0, sizeof(streams[slot]));
	streams[slot].room = SIZE_MAX;
}

static inline int setup(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++)
		new_stream(i);
	driver_init(&d);
	vsock_init(&v, &d.mem, driver_irq(&d), &backend, streams, CID);
	driver_start(&d, &v.dev, F_BASE, 64);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

/* ---- the guest's side ---- */

static inline void give_rx(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ADD(&d, VSOCK_QUEUE_RX, { driver_alloc(&d, RX_BUF_LEN), RX_BUF_LEN, true });
	driver_kick(&d, VSOCK_QUEUE_RX);
}

static uint8_t payload[RX_BUF_LEN];

/* The next packet that the guest gets: its op, 0 when there is none. Payload in payload. */
static inline uint16_t take(struct virtio_vsock_hdr *hdr)
{
	struct vring_used_elem elem;
	const struct vring_desc *desc;

	if (!driver_take(&d, VSOCK_QUEUE_RX, &elem))
		return 0;
	desc = driver_desc(&d, VSOCK_QUEUE_RX, (uint16_t)elem.id);
	assert_true(mem_read(&d.mem, desc->addr, hdr, sizeof(*hdr)));
	assert_int_equal(elem.len, sizeof(*hdr) + hdr->len);
	assert_true(mem_read(&d.mem, desc->addr + sizeof(*hdr), payload, hdr->len));
	assert_int_equal(hdr->dst_cid, CID);
	return hdr->op;
}

static inline void take_op(uint16_t op, struct virtio_vsock_hdr *hdr)
{
	assert_int_equal(take(hdr), op);
	assert_int_equal(hdr->src_cid, VSOCK_HOST_CID);
	assert_int_equal(hdr->type, VIRTIO_VSOCK_TYPE_STREAM);
}

static inline void expect_op(uint16_t op)
{
	struct virtio_vsock_hdr hdr;

	take_op(op, &hdr);
}

static inline void expect_silence(void)
{
	struct virtio_vsock_hdr hdr;

	assert_int_equal(take(&hdr), 0);
}

static inline struct virtio_vsock_hdr packet(uint32_t host_port, uint16_t op, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = GUEST_PORT,
		.dst_port = host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = 65536,
	};
}

/* Send a header with carried bytes of payload (which may differ from hdr->len). */
static inline void send_raw(const struct virtio_vsock_hdr *hdr, const void *data, uint32_t carried)
{
	gpa_t h, p;
	uint16_t head;

	if (d.next_gpa > LOW_LEN - 0x40000)
		d.next_gpa = LOW_LEN - 0x80000; /* buffers of old packets may be used again */
	h = driver_bytes(&d, hdr, sizeof(*hdr));
	p = carried > 0 ? driver_bytes(&d, data, carried) : h;
	head = ADD(&d, VSOCK_QUEUE_TX, { h, sizeof(*hdr), false }, { p, carried, false });
	driver_kick(&d, VSOCK_QUEUE_TX);
	driver_expect(&d, VSOCK_QUEUE_TX, head, 0);
}

static inline void send_op(uint32_t host_port, uint16_t op)
{
	struct virtio_vsock_hdr hdr = packet(host_port, op, 0);

	send_raw(&hdr, NULL, 0);
}

static inline void send_data(uint32_t host_port, const void *data, uint32_t len)
{
	struct virtio_vsock_hdr hdr = packet(host_port, OP(RW), len);

	send_raw(&hdr, data, len);
}

static inline void send_shutdown(uint32_t host_port, uint32_t flags)
{
	struct virtio_vsock_hdr hdr = packet(host_port, OP(SHUTDOWN), 0);

	hdr.flags = flags;
	send_raw(&hdr, NULL, 0);
}

/* A connection that the guest began, in slot. */
static inline void open_by_guest(uint32_t slot)
{
	vsock_offer(&v, slot, OFFER_PORT);
	send_op(OFFER_PORT, OP(REQUEST));
	expect_op(OP(RESPONSE));
	assert_int_equal(v.conns[slot].state, VSOCK_OPEN);
}

static inline bool wants(uint32_t slot, uint32_t what)
{
	return vsock_wants(&v, slot) == what;
}

static char text[200000];

static inline void fill_text(void)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 251);
}

#endif
