/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* vsock: connections, data, credit, and who may say what. */
#include "tests/unit/support/vsock_guest.h"

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
		T(wrong_addresses_and_types),
		T(all_slots),
		T(host_ports_are_not_used_twice),
		T(bad_receive_buffers),
		T(event_queue_is_accepted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}
