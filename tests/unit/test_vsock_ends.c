/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* vsock: all the ways in which connections end. */
#include "tests/unit/support/vsock_guest.h"

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(guest_closes),
		T(guest_half_closes),
		T(guest_takes_no_more),
		T(host_half_closes),
		T(guest_resets_connection),
		T(what_was_sent_before_a_reset_still_arrives),
		T(streams_that_break),
		T(host_gives_up),
		T(wrong_ops),
		T(without_receive_buffers),
		T(rsts_keep_their_order),
		T(rst_crosses_rst),
		T(what_is_owed_dies_with_the_driver),
		T(rst_flood),
		T(failing_ends_connections),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("vsock ends", tests, NULL, NULL);
}
