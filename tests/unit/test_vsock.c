/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* vsock: a guest that sends packets by hand on one side, streams in arrays on the other. */
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

static ssize_t stream_read(void *ctx, uint32_t slot, const struct iovec *iov, int n)
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

static ssize_t stream_write(void *ctx, uint32_t slot, const struct iovec *iov, int n)
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

static void stream_shutdown(void *ctx, uint32_t slot)
{
	assert_ptr_equal(ctx, streams);
	assert_int_equal(streams[slot].n_closed, 0);
	streams[slot].n_shutdown++;
}

static void stream_closed(void *ctx, uint32_t slot)
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

static void new_stream(uint32_t slot)
{
	memset(&streams[slot], 0, sizeof(streams[slot]));
	streams[slot].room = SIZE_MAX;
}

static int setup(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++)
		new_stream(i);
	driver_init(&d);
	vsock_init(&v, &d.mem, driver_irq(&d), &backend, streams, CID);
	driver_start(&d, &v.dev, F_BASE, 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

/* ---- the guest's side ---- */

static void give_rx(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		ADD(&d, VSOCK_QUEUE_RX, { driver_alloc(&d, RX_BUF_LEN), RX_BUF_LEN, true });
	driver_kick(&d, VSOCK_QUEUE_RX);
}

static uint8_t payload[RX_BUF_LEN];

/* The next packet that the guest gets: its op, 0 when there is none. Payload in payload. */
static uint16_t take(struct virtio_vsock_hdr *hdr)
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

static void take_op(uint16_t op, struct virtio_vsock_hdr *hdr)
{
	assert_int_equal(take(hdr), op);
	assert_int_equal(hdr->src_cid, VSOCK_HOST_CID);
	assert_int_equal(hdr->type, VIRTIO_VSOCK_TYPE_STREAM);
}

static void expect_op(uint16_t op)
{
	struct virtio_vsock_hdr hdr;

	take_op(op, &hdr);
}

static void expect_silence(void)
{
	struct virtio_vsock_hdr hdr;

	assert_int_equal(take(&hdr), 0);
}

static struct virtio_vsock_hdr packet(uint32_t host_port, uint16_t op, uint32_t len)
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
static void send_raw(const struct virtio_vsock_hdr *hdr, const void *data, uint32_t carried)
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

static void send_op(uint32_t host_port, uint16_t op)
{
	struct virtio_vsock_hdr hdr = packet(host_port, op, 0);

	send_raw(&hdr, NULL, 0);
}

static void send_data(uint32_t host_port, const void *data, uint32_t len)
{
	struct virtio_vsock_hdr hdr = packet(host_port, OP(RW), len);

	send_raw(&hdr, data, len);
}

static void send_shutdown(uint32_t host_port, uint32_t flags)
{
	struct virtio_vsock_hdr hdr = packet(host_port, OP(SHUTDOWN), 0);

	hdr.flags = flags;
	send_raw(&hdr, NULL, 0);
}

/* A connection that the guest began, in slot. */
static void open_by_guest(uint32_t slot)
{
	vsock_offer(&v, slot, OFFER_PORT);
	send_op(OFFER_PORT, OP(REQUEST));
	expect_op(OP(RESPONSE));
	assert_int_equal(v.conns[slot].state, VSOCK_OPEN);
}

static bool wants(uint32_t slot, uint32_t what)
{
	return vsock_wants(&v, slot) == what;
}

/* ---- tests ---- */

static void configuration(void **state)
{
	uint64_t cid;

	(void)state;
	mmio_read(&d.mmio, 0x100, &cid, 8);
	assert_int_equal(cid, CID);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_ID), 19);
}

static void host_connects(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(4);
	assert_int_equal(vsock_free_slot(&v), 0);
	vsock_connect(&v, 0, 22);
	take_op(OP(REQUEST), &hdr);
	assert_true(hdr.src_port >= VSOCK_FIRST_HOST_PORT);
	assert_int_equal(hdr.dst_port, 22);
	assert_int_equal(hdr.buf_alloc, VSOCK_BUF_LEN);
	assert_true(wants(0, 0));
	hdr = packet(hdr.src_port, OP(RESPONSE), 0);
	hdr.src_port = 22;
	send_raw(&hdr, NULL, 0);
	assert_int_equal(v.conns[0].state, VSOCK_OPEN);
	assert_true(wants(0, VSOCK_WANT_READ));
	assert_int_equal(vsock_free_slot(&v), 1);
	vsock_connect(&v, 1, 22);
	take_op(OP(REQUEST), &hdr);
	assert_int_not_equal(v.conns[0].host_port, hdr.src_port);
}

static void host_connect_is_refused(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(4);
	vsock_connect(&v, 3, GUEST_PORT);
	take_op(OP(REQUEST), &hdr);
	send_op(hdr.src_port, OP(RST));
	assert_int_equal(streams[3].n_closed, 1);
	assert_int_equal(v.conns[3].state, VSOCK_FREE);
	expect_silence();
	assert_int_equal(v.dev.n_guest_errors, 0);
}

static void connect_waits_for_driver_and_buffers(void **state)
{
	(void)state;
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	vsock_connect(&v, 0, GUEST_PORT);
	vsock_offer(&v, 1, OFFER_PORT);
	driver_start(&d, &v.dev, F_BASE, 64); /* begins with a reset */
	assert_int_equal(streams[0].n_closed + streams[1].n_closed, 0);
	assert_int_equal(v.conns[1].state, VSOCK_OFFERED);
	send_op(v.conns[0].host_port, OP(RESPONSE)); /* to a request it can't know of */
	assert_int_equal(v.conns[0].state, VSOCK_CONNECTING);
	give_rx(3);
	expect_op(OP(RST));
	expect_op(OP(REQUEST));
	expect_silence();
}

static void guest_connects_where_offered(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(6);
	send_op(OFFER_PORT, OP(REQUEST));
	take_op(OP(RST), &hdr);
	assert_int_equal(hdr.src_port, OFFER_PORT);
	assert_int_equal(hdr.dst_port, GUEST_PORT);
	vsock_offer(&v, 2, OFFER_PORT);
	send_op(OFFER_PORT + 1, OP(REQUEST));
	expect_op(OP(RST));
	send_op(OFFER_PORT, OP(REQUEST));
	take_op(OP(RESPONSE), &hdr);
	assert_int_equal(hdr.src_port, OFFER_PORT);
	assert_int_equal(v.conns[2].state, VSOCK_OPEN);
	hdr = packet(OFFER_PORT, OP(REQUEST), 0);
	hdr.src_port = GUEST_PORT + 1; /* the offer is taken */
	send_raw(&hdr, NULL, 0);
	expect_op(OP(RST));
	assert_int_equal(v.dev.n_guest_errors, 0);
}

static void data_both_ways(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(6);
	open_by_guest(0);
	send_data(OFFER_PORT, "hello", 5);
	assert_int_equal(streams[0].to_host_len, 5);
	assert_memory_equal(streams[0].to_host, "hello", 5);
	streams[0].to_guest = "world!";
	streams[0].to_guest_len = 6;
	d.n_irqs = 0;
	vsock_readable(&v, 0);
	assert_int_equal(d.n_irqs, 1);
	take_op(OP(RW), &hdr);
	assert_int_equal(hdr.len, 6);
	assert_int_equal(hdr.fwd_cnt, 5);
	assert_memory_equal(payload, "world!", 6);
	expect_silence();
	vsock_readable(&v, 0); /* nothing there: the buffer is kept */
	for (int i = 0; i < 10; i++)
		vsock_readable(&v, 0);
	assert_true(wants(0, VSOCK_WANT_READ));
	streams[0].to_guest = "again";
	streams[0].to_guest_len = 5;
	vsock_readable(&v, 0);
	expect_op(OP(RW));
}

static char text[200000];

static void fill_text(void)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + i / 251);
}

static void slow_host_holds_the_guest_back(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	fill_text();
	give_rx(8);
	open_by_guest(0);
	streams[0].room = 1000;
	for (uint32_t i = 0; i < 7; i++)
		send_data(OFFER_PORT, text + i * 2048, 2048);
	assert_int_equal(streams[0].to_host_len, 1000);
	assert_int_equal(v.conns[0].buf_len, 7 * 2048 - 1000);
	assert_true(wants(0, VSOCK_WANT_READ | VSOCK_WANT_WRITE));
	send_data(OFFER_PORT, text + 7 * 2048, 3048); /* exactly what is left; wraps in the ring */
	assert_int_equal(v.conns[0].buf_len, VSOCK_BUF_LEN);
	expect_silence();
	streams[0].room = 7192;
	vsock_writable(&v, 0);
	take_op(OP(CREDIT_UPDATE), &hdr);
	assert_int_equal(hdr.fwd_cnt, 8192);
	streams[0].room = SIZE_MAX;
	vsock_writable(&v, 0);
	take_op(OP(CREDIT_UPDATE), &hdr);
	assert_int_equal(hdr.fwd_cnt, VSOCK_BUF_LEN + 1000);
	assert_memory_equal(streams[0].to_host, text, VSOCK_BUF_LEN + 1000);
	assert_true(wants(0, VSOCK_WANT_READ));
	send_data(OFFER_PORT, text, 2048); /* too little to speak of */
	expect_silence();
}

static void guest_overdraws_its_credit(void **state)
{
	(void)state;
	give_rx(8);
	open_by_guest(0);
	streams[0].room = 0;
	for (uint32_t i = 0; i < 8; i++)
		send_data(OFFER_PORT, text, 2048);
	send_data(OFFER_PORT, text, 1);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(v.conns[0].state, VSOCK_FREE);
	assert_int_equal(v.dev.n_guest_errors, 1);
	assert_true(virtio_dev_active(&v.dev));
}

static void lengths_that_lie(void **state)
{
	struct virtio_vsock_hdr hdr = packet(OFFER_PORT, OP(RW), 100);

	(void)state;
	give_rx(8);
	open_by_guest(0);
	send_raw(&hdr, text, 99);
	expect_op(OP(RST));
	new_stream(0);
	open_by_guest(0);
	hdr.len = UINT32_MAX;
	send_raw(&hdr, text, 100);
	expect_op(OP(RST));
	new_stream(0);
	open_by_guest(0);
	hdr.len = 3; /* carries more than it says: that much is taken */
	send_raw(&hdr, "abcdef", 6);
	assert_int_equal(streams[0].to_host_len, 3);
	expect_silence();
}

static void guest_credit_is_kept(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	fill_text();
	give_rx(20);
	vsock_offer(&v, 0, OFFER_PORT);
	hdr = packet(OFFER_PORT, OP(REQUEST), 0);
	hdr.buf_alloc = 6000;
	send_raw(&hdr, NULL, 0);
	expect_op(OP(RESPONSE));
	streams[0].to_guest = text;
	streams[0].to_guest_len = 10000;
	vsock_readable(&v, 0);
	take_op(OP(RW), &hdr);
	assert_int_equal(hdr.len, RX_BUF_LEN - sizeof(hdr));
	take_op(OP(RW), &hdr);
	assert_int_equal(hdr.len, 6000 - (RX_BUF_LEN - sizeof(hdr)));
	expect_silence();
	assert_true(wants(0, 0));
	hdr = packet(OFFER_PORT, OP(CREDIT_UPDATE), 0);
	hdr.buf_alloc = 6000;
	hdr.fwd_cnt = 1500;
	send_raw(&hdr, NULL, 0);
	assert_true(wants(0, VSOCK_WANT_READ));
	vsock_readable(&v, 0);
	take_op(OP(RW), &hdr);
	assert_int_equal(hdr.len, 1500);
	assert_memory_equal(payload, text + 6000, 1500);
	hdr = packet(OFFER_PORT, OP(CREDIT_UPDATE), 0);
	hdr.buf_alloc = 0; /* takes its buffer away: allowed, and means no credit */
	hdr.fwd_cnt = 7500;
	send_raw(&hdr, NULL, 0);
	assert_true(wants(0, 0));
	vsock_readable(&v, 0);
	expect_silence();
	assert_int_equal(v.dev.n_guest_errors, 0);
}

static void boundless_credit_has_a_bound(void **state)
{
	struct virtio_vsock_hdr hdr = packet(OFFER_PORT, OP(CREDIT_UPDATE), 0);

	(void)state;
	give_rx(8);
	open_by_guest(0);
	v.conns[0].tx_cnt = 1u << 30; /* as if sent, and never acknowledged */
	hdr.buf_alloc = UINT32_MAX;
	send_raw(&hdr, NULL, 0);
	assert_true(wants(0, 0));
	assert_int_equal(v.conns[0].state, VSOCK_OPEN);
}

/* A stream without end gets a bounded turn. */
static void reads_take_turns(void **state)
{
	uint32_t n = 0;
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(40);
	open_by_guest(0);
	streams[0].to_guest = text;
	streams[0].to_guest_len = sizeof(text);
	vsock_readable(&v, 0);
	while (take(&hdr) == OP(RW))
		n++;
	assert_int_equal(n, 16);
	assert_true(wants(0, VSOCK_WANT_READ));
}

static void guest_claims_what_was_never_sent(void **state)
{
	struct virtio_vsock_hdr hdr = packet(OFFER_PORT, OP(CREDIT_UPDATE), 0);

	(void)state;
	give_rx(8);
	open_by_guest(0);
	hdr.fwd_cnt = 1;
	send_raw(&hdr, NULL, 0);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(v.dev.n_guest_errors, 1);
	new_stream(0);
	vsock_offer(&v, 0, OFFER_PORT);
	hdr.op = OP(REQUEST);
	send_raw(&hdr, NULL, 0);
	expect_op(OP(RST));
	assert_int_equal(v.conns[0].state, VSOCK_OFFERED);
}

static void credit_request(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(8);
	open_by_guest(0);
	send_data(OFFER_PORT, "x", 1);
	send_op(OFFER_PORT, OP(CREDIT_REQUEST));
	take_op(OP(CREDIT_UPDATE), &hdr);
	assert_int_equal(hdr.fwd_cnt, 1);
	assert_int_equal(hdr.buf_alloc, VSOCK_BUF_LEN);
}

static void guest_closes(void **state)
{
	(void)state;
	give_rx(8);
	open_by_guest(0);
	streams[0].room = 2;
	send_data(OFFER_PORT, "last", 4);
	send_shutdown(OFFER_PORT, 3);
	assert_int_equal(streams[0].n_closed, 0); /* not before the stream has it all */
	expect_silence();
	streams[0].room = SIZE_MAX;
	vsock_writable(&v, 0);
	assert_memory_equal(streams[0].to_host, "last", 4);
	assert_int_equal(streams[0].n_closed, 1);
	expect_op(OP(RST));
	assert_int_equal(v.conns[0].state, VSOCK_FREE);
}

static void guest_half_closes(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(8);
	open_by_guest(0);
	send_shutdown(OFFER_PORT, VIRTIO_VSOCK_SHUTDOWN_SEND);
	assert_int_equal(streams[0].n_shutdown, 1);
	send_shutdown(OFFER_PORT, VIRTIO_VSOCK_SHUTDOWN_SEND);
	assert_int_equal(streams[0].n_shutdown, 1);
	streams[0].to_guest = "answer";
	streams[0].to_guest_len = 6;
	vsock_readable(&v, 0);
	take_op(OP(RW), &hdr);
	assert_memory_equal(payload, "answer", 6);
	streams[0].eof = true;
	vsock_readable(&v, 0);
	expect_op(OP(RST)); /* both ways are shut */
	assert_int_equal(streams[0].n_closed, 1);
	new_stream(0);
	open_by_guest(0);
	send_shutdown(OFFER_PORT, VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_data(OFFER_PORT, "more", 4); /* though it said no more */
	expect_op(OP(RST));
	assert_int_equal(v.dev.n_guest_errors, 1);
}

static void guest_takes_no_more(void **state)
{
	(void)state;
	give_rx(8);
	open_by_guest(0);
	send_shutdown(OFFER_PORT, VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_true(wants(0, 0));
	streams[0].to_guest = "unwanted";
	streams[0].to_guest_len = 8;
	vsock_readable(&v, 0);
	expect_silence();
	send_data(OFFER_PORT, "data", 4);
	assert_int_equal(streams[0].to_host_len, 4);
	send_shutdown(OFFER_PORT, VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
}

static void host_half_closes(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(8);
	open_by_guest(0);
	streams[0].eof = true;
	vsock_readable(&v, 0);
	take_op(OP(SHUTDOWN), &hdr);
	assert_int_equal(hdr.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	assert_true(wants(0, 0));
	vsock_readable(&v, 0);
	expect_silence();
	send_data(OFFER_PORT, "rest", 4);
	assert_int_equal(streams[0].to_host_len, 4);
	send_shutdown(OFFER_PORT, VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(v.conns[0].state, VSOCK_FREE);
}

static void guest_resets_connection(void **state)
{
	(void)state;
	give_rx(8);
	open_by_guest(0);
	send_op(OFFER_PORT, OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(vsock_free_slot(&v), 0);
	send_op(OFFER_PORT, OP(RST)); /* no answer to that, ever */
	expect_silence();
}

static void what_was_sent_before_a_reset_still_arrives(void **state)
{
	(void)state;
	give_rx(8);
	open_by_guest(0);
	streams[0].room = 0;
	send_data(OFFER_PORT, "last words", 10);
	send_op(OFFER_PORT, OP(RST));
	assert_int_equal(streams[0].n_closed, 0);
	assert_true(wants(0, VSOCK_WANT_WRITE));
	send_data(OFFER_PORT, "not these", 9); /* the connection is gone */
	expect_op(OP(RST));
	driver_set(&d, VIRTIO_MMIO_STATUS, 0); /* the guest too */
	streams[0].room = 4;
	vsock_writable(&v, 0);
	assert_int_equal(streams[0].n_closed, 0);
	streams[0].room = SIZE_MAX;
	vsock_writable(&v, 0);
	assert_memory_equal(streams[0].to_host, "last words", 10);
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(vsock_free_slot(&v), 0);
}

static void streams_that_break(void **state)
{
	(void)state;
	give_rx(16);
	open_by_guest(0);
	streams[0].write_error = -EPIPE;
	send_data(OFFER_PORT, "x", 1);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	new_stream(0);
	open_by_guest(0);
	streams[0].read_error = -ECONNRESET;
	vsock_readable(&v, 0);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	new_stream(0);
	open_by_guest(0);
	streams[0].room = 0;
	send_data(OFFER_PORT, "x", 1);
	send_op(OFFER_PORT, OP(RST));
	streams[0].write_error = -EPIPE;
	vsock_writable(&v, 0); /* while draining: nobody to tell */
	expect_silence();
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(v.dev.n_guest_errors, 0);
}

static void host_gives_up(void **state)
{
	(void)state;
	give_rx(16);
	vsock_offer(&v, 0, OFFER_PORT);
	vsock_close(&v, 0);
	assert_int_equal(streams[0].n_closed, 1);
	expect_silence();
	new_stream(0);
	open_by_guest(0);
	vsock_close(&v, 0);
	expect_op(OP(RST));
	assert_int_equal(streams[0].n_closed, 1);
	new_stream(0);
	vsock_connect(&v, 0, GUEST_PORT);
	expect_op(OP(REQUEST));
	vsock_close(&v, 0);
	expect_op(OP(RST));
	vsock_close(&v, 0); /* free already */
	expect_silence();
	assert_int_equal(streams[0].n_closed, 1);
}

static void wrong_addresses_and_types(void **state)
{
	struct virtio_vsock_hdr bad[4], hdr;

	(void)state;
	give_rx(32);
	open_by_guest(0);
	for (int i = 0; i < 4; i++)
		bad[i] = packet(OFFER_PORT, OP(RW), 4);
	bad[0].src_cid = CID + 1;
	bad[1].dst_cid = CID;
	bad[2].type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	bad[3].src_cid |= 1ull << 32;
	for (int i = 0; i < 4; i++) {
		send_raw(&bad[i], "evil", 4);
		assert_int_equal(take(&hdr), OP(RST));
		assert_int_equal(hdr.src_cid, bad[i].dst_cid);
		assert_int_equal(hdr.type, bad[i].type);
	}
	assert_int_equal(streams[0].to_host_len, 0);
	assert_int_equal(v.conns[0].state, VSOCK_OPEN);
	assert_int_equal(v.dev.n_guest_errors, 4);
}

static void wrong_ops(void **state)
{
	static const uint16_t open_bad[] = { OP(INVALID), OP(REQUEST), OP(RESPONSE), 8, 0xffff };
	static const uint16_t connecting_bad[] = {
		OP(INVALID),	   OP(REQUEST),	       OP(RW), OP(SHUTDOWN),
		OP(CREDIT_UPDATE), OP(CREDIT_REQUEST), 8
	};
	static const uint16_t unknown[] = {
		OP(INVALID),	   OP(RESPONSE),       OP(RW), OP(SHUTDOWN),
		OP(CREDIT_UPDATE), OP(CREDIT_REQUEST), 8,      0xffff
	};
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(60);
	for (size_t i = 0; i < ARRAY_SIZE(open_bad); i++) {
		new_stream(0);
		open_by_guest(0);
		send_op(OFFER_PORT, open_bad[i]);
		expect_op(OP(RST));
		assert_int_equal(streams[0].n_closed, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(connecting_bad); i++) {
		new_stream(0);
		vsock_connect(&v, 0, GUEST_PORT);
		take_op(OP(REQUEST), &hdr);
		send_op(hdr.src_port, connecting_bad[i]);
		expect_op(OP(RST));
		assert_int_equal(streams[0].n_closed, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		send_op(99, unknown[i]);
		expect_op(OP(RST));
	}
	assert_int_equal(vsock_free_slot(&v), 0);
}

static void without_receive_buffers(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	vsock_offer(&v, 0, OFFER_PORT);
	send_op(OFFER_PORT, OP(REQUEST));
	assert_int_equal(v.conns[0].state, VSOCK_OPEN);
	assert_true(wants(0, 0)); /* the RESPONSE has to go first */
	send_data(OFFER_PORT, "early", 5);
	send_op(OFFER_PORT, OP(CREDIT_REQUEST));
	assert_int_equal(streams[0].to_host_len, 5);
	give_rx(1);
	take_op(OP(RESPONSE), &hdr); /* says what the CREDIT_UPDATE would */
	assert_int_equal(hdr.fwd_cnt, 5);
	assert_int_equal(v.conns[0].owed, 0);
	streams[0].to_guest = "data";
	streams[0].to_guest_len = 4;
	vsock_readable(&v, 0);
	assert_true(wants(0, 0));
	assert_int_equal(streams[0].to_guest_len, 4); /* still in the stream */
	vsock_close(&v, 0);
	assert_int_equal(v.conns[0].state, VSOCK_CLOSING);
	assert_int_equal(vsock_free_slot(&v), 1);
	send_data(OFFER_PORT, "late", 4); /* crosses our RST: no second one */
	give_rx(2);
	expect_op(OP(RST));
	expect_silence();
	assert_int_equal(vsock_free_slot(&v), 0);
}

static void rsts_keep_their_order(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	for (uint32_t port = 90; port < 95; port++)
		send_op(port, OP(RW));
	for (uint32_t port = 90; port < 95; port++) {
		give_rx(1);
		take_op(OP(RST), &hdr);
		assert_int_equal(hdr.src_port, port);
	}
	expect_silence();
}

static void rst_crosses_rst(void **state)
{
	(void)state;
	give_rx(1);
	open_by_guest(0);
	vsock_close(&v, 0);
	assert_int_equal(v.conns[0].state, VSOCK_CLOSING);
	send_op(OFFER_PORT, OP(RST));
	assert_int_equal(v.conns[0].state, VSOCK_FREE);
	give_rx(2);
	expect_silence();
}

static void what_is_owed_dies_with_the_driver(void **state)
{
	(void)state;
	give_rx(1);
	open_by_guest(0);
	vsock_close(&v, 0);
	send_op(99, OP(RW));
	assert_int_equal(v.conns[0].state, VSOCK_CLOSING);
	assert_int_equal(v.n_rsts, 1);
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(vsock_free_slot(&v), 0);
	driver_start(&d, &v.dev, F_BASE, 64);
	give_rx(4);
	expect_silence();
}

/* A guest that makes us owe RSTs and never takes them: we stop listening, nothing is lost, nothing
 * grows. */
static void rst_flood(void **state)
{
	struct virtio_vsock_hdr hdr = packet(99, OP(RW), 0);
	gpa_t h = driver_bytes(&d, &hdr, sizeof(hdr));
	struct vring_used_elem elem;
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		ADD(&d, VSOCK_QUEUE_TX, { h, sizeof(hdr), false });
	assert_false(driver_kick(&d, VSOCK_QUEUE_TX)); /* no use in trying again at once */
	assert_int_equal(v.n_rsts, VSOCK_MAX_RSTS);
	while (driver_take(&d, VSOCK_QUEUE_TX, &elem))
		n++;
	assert_int_equal(n, VSOCK_MAX_RSTS);
	assert_false(driver_kick(&d, VSOCK_QUEUE_TX));
	assert_false(driver_take(&d, VSOCK_QUEUE_TX, &elem));
	give_rx(60);
	for (n = 0; take(&hdr) == OP(RST);)
		n++;
	assert_int_equal(n, 40);
	assert_int_equal(v.n_rsts, 0);
}

static void all_slots(void **state)
{
	struct virtio_vsock_hdr hdr = packet(OFFER_PORT, OP(REQUEST), 0);

	(void)state;
	give_rx(60);
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		assert_int_equal(vsock_free_slot(&v), i);
		vsock_offer(&v, i, OFFER_PORT);
	}
	assert_int_equal(vsock_free_slot(&v), -1);
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		hdr.src_port = i;
		send_raw(&hdr, NULL, 0);
		expect_op(OP(RESPONSE));
	}
	hdr.src_port = VSOCK_MAX_CONNS;
	send_raw(&hdr, NULL, 0);
	expect_op(OP(RST));
	driver_set(&d, VIRTIO_MMIO_STATUS, 0); /* reset ends all of them */
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++)
		assert_int_equal(streams[i].n_closed, 1);
	assert_int_equal(vsock_free_slot(&v), 0);
}

static void host_ports_are_not_used_twice(void **state)
{
	struct virtio_vsock_hdr hdr;

	(void)state;
	give_rx(3);
	vsock_connect(&v, 0, GUEST_PORT);
	take_op(OP(REQUEST), &hdr);
	v.next_host_port = hdr.src_port - 1; /* as after 2^30 connections */
	vsock_connect(&v, 1, GUEST_PORT);
	take_op(OP(REQUEST), &hdr);
	assert_int_not_equal(v.conns[0].host_port, v.conns[1].host_port);
	v.next_host_port = UINT32_MAX;
	vsock_connect(&v, 2, GUEST_PORT);
	take_op(OP(REQUEST), &hdr);
	assert_true(hdr.src_port >= VSOCK_FIRST_HOST_PORT);
}

static void failing_ends_connections(void **state)
{
	(void)state;
	give_rx(8);
	open_by_guest(0);
	ADD(&d, VSOCK_QUEUE_TX, { 0x800, sizeof(struct virtio_vsock_hdr) - 1, false });
	driver_kick(&d, VSOCK_QUEUE_TX);
	driver_expect_failed(&d);
	assert_int_equal(streams[0].n_closed, 1);
	assert_int_equal(vsock_free_slot(&v), 0);
}

static void bad_receive_buffers(void **state)
{
	(void)state;
	ADD(&d, VSOCK_QUEUE_RX, { 0x800, 43, true });
	send_op(99, OP(RW));
	driver_expect_failed(&d);
	driver_start(&d, &v.dev, F_BASE, 64);
	give_rx(1);
	open_by_guest(0);
	streams[0].to_guest = "x";
	streams[0].to_guest_len = 1;
	ADD(&d, VSOCK_QUEUE_RX, { 0x800, 44, true }); /* no room for a byte of data */
	driver_kick(&d, VSOCK_QUEUE_RX);
	vsock_readable(&v, 0);
	driver_expect_failed(&d);
	assert_int_equal(streams[0].n_closed, 1);
}

static void event_queue_is_accepted(void **state)
{
	(void)state;
	ADD(&d, VSOCK_QUEUE_EVENT, { 0x800, 4, true });
	assert_false(driver_kick(&d, VSOCK_QUEUE_EVENT));
	driver_expect_nothing(&d, VSOCK_QUEUE_EVENT);
	assert_true(virtio_dev_active(&v.dev));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(configuration),
		T(host_connects),
		T(host_connect_is_refused),
		T(connect_waits_for_driver_and_buffers),
		T(guest_connects_where_offered),
		T(data_both_ways),
		T(slow_host_holds_the_guest_back),
		T(guest_overdraws_its_credit),
		T(lengths_that_lie),
		T(guest_credit_is_kept),
		T(boundless_credit_has_a_bound),
		T(reads_take_turns),
		T(guest_claims_what_was_never_sent),
		T(credit_request),
		T(guest_closes),
		T(guest_half_closes),
		T(guest_takes_no_more),
		T(host_half_closes),
		T(guest_resets_connection),
		T(what_was_sent_before_a_reset_still_arrives),
		T(streams_that_break),
		T(host_gives_up),
		T(wrong_addresses_and_types),
		T(wrong_ops),
		T(without_receive_buffers),
		T(rsts_keep_their_order),
		T(rst_crosses_rst),
		T(what_is_owed_dies_with_the_driver),
		T(rst_flood),
		T(all_slots),
		T(host_ports_are_not_used_twice),
		T(failing_ends_connections),
		T(bad_receive_buffers),
		T(event_queue_is_accepted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}
