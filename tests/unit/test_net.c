/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A network card on two arrays of frames. */
#include "tests/unit/support/card.h"

static void configuration(void **state)
{
	uint8_t mac[6];

	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		mmio_read(&d.mmio, 0x100 + i, mac + i, 1);
	assert_memory_equal(mac, "\2\0\0\1\2\3", 6);
	assert_int_equal(net.dev.n_guest_errors, 0);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_ID), 1);
	/* no control queue, nothing else */
	assert_int_equal(net.dev.features, F_BASE | F_RING | F_MAC | F_RX | F_TX | F_MRG);
}

/* The tap can't be told of a driver without receive offloads, so there is no card for it. */
static void receive_offloads_are_taken_as_a_whole(void **state)
{
	static const uint64_t good[] = { F_BASE | F_RX, F_NET, F_NET | F_MRG,
					 F_NET | F_TX | F_MRG | F_RING };

	(void)state;
	for (uint64_t left_out = F_RX; left_out != 0; left_out = (left_out - 1) & F_RX) {
		driver_negotiate(&d, (F_NET | F_TX | F_MRG | F_RING) & ~left_out);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_DRIVEN);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		driver_negotiate(&d, good[i]);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_NEGOTIATED);
	}
}

/* Send len bytes of frame behind a header. */
static void send(const uint8_t hdr[NET_HDR_LEN], uint32_t len)
{
	gpa_t h = driver_bytes(&d, hdr, NET_HDR_LEN), f = driver_alloc(&d, len + 1);
	uint16_t head;

	memset(driver_ptr(&d, f, len + 1), 'f', len);
	head = ADD(&d, 1, { h, NET_HDR_LEN, false }, { f, len, false });
	assert_false(driver_kick(&d, NET_QUEUE_TX));
	driver_expect(&d, 1, head, 0);
}

static void sends(void **state)
{
	static const uint32_t lens[] = { 14, 60, 1514, 1518 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		send(zero_hdr, lens[i]);
		assert_int_equal(n_sent, i + 1);
		assert_int_equal(sent_len, NET_HDR_LEN + lens[i]);
		assert_memory_equal(sent, zero_hdr, NET_HDR_LEN);
		assert_int_equal(sent[NET_HDR_LEN], 'f');
		assert_int_equal(sent[sent_len - 1], 'f');
	}
	assert_int_equal(net.n_tx_dropped, 0);
}

static void header_and_frame_in_any_pieces(void **state)
{
	gpa_t a = driver_alloc(&d, 64);
	uint16_t head = ADD(&d, 1, { a, 5, false }, { a + 5, 10, false }, { a + 15, 1, false },
			    { a + 16, 16, false });

	(void)state;
	for (uint8_t i = NET_HDR_LEN; i < 32; i++)
		*(uint8_t *)driver_ptr(&d, a + i, 1) = i;
	driver_kick(&d, NET_QUEUE_TX);
	driver_expect(&d, 1, head, 0);
	assert_int_equal(sent_len, 32);
	for (uint8_t i = NET_HDR_LEN; i < 32; i++)
		assert_int_equal(sent[i], i);
}

static void short_and_oversized(void **state)
{
	static const uint32_t lens[] = { 0, 1, 13, 1519, 9000, 65550 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		send(zero_hdr, lens[i]);
	assert_int_equal(n_sent, 0);
	assert_int_equal(net.n_tx_dropped, ARRAY_SIZE(lens));
	assert_true(virtio_dev_active(&net.dev));
}

/* Nothing of the guest's header reaches the host: what relies on an offload is dropped, the rest is
 * blanked. */
static void headers(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t bytes[NET_HDR_LEN];

	(void)state;
	for (uint32_t flags = 0; flags < 256; flags++) {
		hdr = (struct virtio_net_hdr_v1){
			.flags = (uint8_t)flags,
			.hdr_len = 0xffff,
			.gso_size = 0,
			.csum_start = 0xffff,
			.csum_offset = 0xffff,
			.num_buffers = 0xffff,
		};
		memcpy(bytes, &hdr, sizeof(bytes));
		send(bytes, 60);
		hdr.flags = 0;
		hdr.gso_type = (uint8_t)flags;
		memcpy(bytes, &hdr, sizeof(bytes));
		send(bytes, 60);
		d.next_gpa = 0x8000;
	}
	assert_int_equal(n_sent, 2);
	assert_memory_equal(sent, zero_hdr, NET_HDR_LEN);
	assert_int_equal(net.n_tx_dropped, 2 * 255);
}

static void less_than_a_header(void **state)
{
	(void)state;
	ADD(&d, 1, { 0x800, NET_HDR_LEN - 1, false });
	driver_kick(&d, NET_QUEUE_TX);
	driver_expect_failed(&d);
	assert_int_equal(n_sent, 0);
}

static void most_segments(void **state)
{
	struct buf bufs[16];

	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		bufs[i] = (struct buf){ 0x800 + i, 2, false };
	driver_add(&d, 1, bufs, 16);
	driver_kick(&d, NET_QUEUE_TX);
	assert_int_equal(sent_len, 32);
}

static void host_refuses_a_frame(void **state)
{
	(void)state;
	host_error = -EAGAIN;
	send(zero_hdr, 60);
	host_error = -EIO;
	send(zero_hdr, 60);
	assert_int_equal(net.n_tx_dropped, 2);
}

static void receives(void **state)
{
	gpa_t a = driver_alloc(&d, 4096);
	uint8_t hdr[NET_HDR_LEN];
	uint16_t first, second;

	(void)state;
	memset(hdr, 0xee, sizeof(hdr)); /* the tap's, but for num_buffers */
	hdr[10] = 1;
	hdr[11] = 0;
	first = ADD(&d, 0, { a, 12, true }, { a + 64, 1518, true });
	second = ADD(&d, 0, { a + 2048, 1530, true });
	ADD(&d, 0, { a, 2000, true });
	assert_false(driver_kick(&d, NET_QUEUE_RX));
	n_waiting = 2;
	waiting_len = NET_HDR_LEN + 100;
	net_rx(&net);
	driver_expect(&d, 0, first, NET_HDR_LEN + 100);
	driver_expect(&d, 0, second, NET_HDR_LEN + 100);
	driver_expect_nothing(&d, 0);
	assert_int_equal(d.n_irqs, 1);
	assert_memory_equal(driver_ptr(&d, a, 12), hdr, 12);
	assert_memory_equal(driver_ptr(&d, a + 2048, 12), hdr, 12);
	assert_int_equal(*(uint8_t *)driver_ptr(&d, a + 64 + 99, 1), 99);
	assert_int_equal(*(uint8_t *)driver_ptr(&d, a + 64 + 100, 1), 0);
	assert_true(net_wants_rx(&net));
}

static void polling_stops_without_buffers(void **state)
{
	gpa_t a = driver_alloc(&d, 2048);
	uint16_t head;

	(void)state;
	n_waiting = 3;
	waiting_len = NET_HDR_LEN + 60;
	assert_true(net_wants_rx(&net));
	net_rx(&net);
	assert_false(net_wants_rx(&net));
	assert_int_equal(n_waiting, 3);
	head = ADD(&d, 0, { a, 1530, true });
	driver_kick(&d, NET_QUEUE_RX);
	assert_true(net_wants_rx(&net));
	net_rx(&net);
	driver_expect(&d, 0, head, NET_HDR_LEN + 60);
	assert_false(net_wants_rx(&net));
	assert_int_equal(n_waiting, 2);
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	assert_false(net_wants_rx(&net));
	net_rx(&net);
	assert_int_equal(n_waiting, 2);
	assert_int_equal(driver_start(&d, &net.dev, F_NET, 16), 3);
	driver_kick(&d, NET_QUEUE_RX); /* as the machine does for each queue at DRIVER_OK */
	assert_true(net_wants_rx(&net));
}

static void frames_that_do_not_fit(void **state)
{
	gpa_t a = driver_alloc(&d, FRAME_SPACE);
	uint16_t head = ADD(&d, 0, { a, NET_HDR_LEN + 100, true });

	(void)state;
	driver_kick(&d, NET_QUEUE_RX);
	n_waiting = 2;
	waiting_len = NET_HDR_LEN + 101; /* one byte more than the guest's buffer */
	net_rx(&net);
	assert_int_equal(net.n_rx_dropped, 2);
	assert_int_equal(*(uint8_t *)driver_ptr(&d, a + NET_HDR_LEN + 100, 1), 0);
	driver_expect_nothing(&d, 0);
	n_waiting = 1;
	waiting_len = NET_HDR_LEN + 100;
	net_rx(&net);
	driver_expect(&d, 0, head, NET_HDR_LEN + 100);

	head = ADD(&d, 0, { a, FRAME_SPACE, true });
	n_waiting = 1;
	waiting_len = NET_MAX_PACKET_LEN + 1;
	driver_kick(&d, NET_QUEUE_RX);
	net_rx(&net);
	assert_int_equal(net.n_rx_dropped, 3);
	for (waiting_len = 1; waiting_len < NET_HDR_LEN + 14; waiting_len++) {
		n_waiting = 1;
		net_rx(&net);
	}
	assert_int_equal(net.n_rx_dropped, 3 + 25);
	driver_expect_nothing(&d, 0);
	n_waiting = 1;
	waiting_len = NET_MAX_PACKET_LEN;
	net_rx(&net);
	driver_expect(&d, 0, head, NET_MAX_PACKET_LEN);
}

static void receive_buffer_too_small_for_any_frame(void **state)
{
	(void)state;
	ADD(&d, 0, { 0x800, 25, true });
	n_waiting = 1;
	net_rx(&net);
	driver_expect_failed(&d);
	assert_int_equal(n_waiting, 1);
	driver_start(&d, &net.dev, F_NET, 16);
	ADD(&d, 0, { 0x800, 2000, false });
	net_rx(&net);
	driver_expect_failed(&d);
	assert_false(net_wants_rx(&net));
}

static void host_has_none_or_fails(void **state)
{
	gpa_t a = driver_alloc(&d, 2048);

	(void)state;
	ADD(&d, 0, { a, 1530, true });
	net_rx(&net);
	assert_true(net_wants_rx(&net));
	host_error = -EBADFD; /* and readable for ever */
	net_rx(&net);
	driver_expect_nothing(&d, 0);
	assert_int_equal(d.n_irqs, 0);
	assert_false(net_wants_rx(&net));
	host_error = 0;
	assert_false(driver_kick(&d, NET_QUEUE_RX));
	assert_true(net_wants_rx(&net));
}

/* A driver may go without a receive queue, and the tap has frames all the same. */
static void no_receive_queue(void **state)
{
	(void)state;
	driver_negotiate(&d, F_NET | F_RING);
	driver_set(&d, VIRTIO_MMIO_QUEUE_SEL, NET_QUEUE_RX);
	driver_set(&d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, HOLE_GPA);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING), 0);
	n_waiting = 1;
	net_rx(&net);
	assert_int_equal(n_waiting, 1);
	assert_false(driver_kick(&d, NET_QUEUE_RX));
	net_rx(&net);
	assert_false(net_wants_rx(&net));
	assert_int_equal(d.n_irqs, 0);
}

/* A driver may offer new buffers only once most are used: fewer than the next packet could need are buffers all the
 * same. */
static void polling_goes_on_with_few_buffers(void **state)
{
	gpa_t a = driver_alloc(&d, 4096);
	uint16_t heads[3];

	(void)state;
	driver_start(&d, &net.dev, F_NET | F_RING | F_MRG, 16);
	for (uint32_t i = 0; i < 3; i++)
		heads[i] = ADD(&d, 0, { a + i * 1024, 1024, true });
	driver_kick(&d, NET_QUEUE_RX);
	n_waiting = 1;
	waiting_len = 2048;
	net_rx(&net);
	driver_expect(&d, 0, heads[0], 1024);
	driver_expect(&d, 0, heads[1], 1024);
	assert_true(net_wants_rx(&net));
	n_waiting = 1;
	waiting_len = NET_HDR_LEN + 60;
	net_rx(&net);
	driver_expect(&d, 0, heads[2], NET_HDR_LEN + 60);
	assert_false(net_wants_rx(&net));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(configuration),
		T(receive_offloads_are_taken_as_a_whole),
		T(sends),
		T(header_and_frame_in_any_pieces),
		T(short_and_oversized),
		T(headers),
		T(less_than_a_header),
		T(most_segments),
		T(host_refuses_a_frame),
		T(receives),
		T(polling_stops_without_buffers),
		T(frames_that_do_not_fit),
		T(receive_buffer_too_small_for_any_frame),
		T(host_has_none_or_fails),
		T(no_receive_queue),
		T(polling_goes_on_with_few_buffers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
