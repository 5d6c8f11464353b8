/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A network card's offloads: receive buffers that merge, and what the guest may ask the host to fill in. */
#include "tests/unit/support/card.h"

/* ---- buffers that merge ---- */

#define SMALL 1536

/* Offer n receive buffers of SMALL bytes; the first one's address. */
static gpa_t offer_small(uint32_t n)
{
	gpa_t a = driver_alloc(&d, (uint64_t)n * SMALL);

	for (uint32_t i = 0; i < n; i++)
		ADD(&d, 0, { a + (gpa_t)i * SMALL, SMALL, true });
	return a;
}

/* One packet of len bytes has come, in the buffers from a on. */
static void expect_packet(gpa_t a, uint32_t len)
{
	uint32_t n = (len + SMALL - 1) / SMALL;
	const uint8_t *bytes = driver_ptr(&d, a, len);
	struct vring_used_elem elem;

	assert_int_equal(bytes[10], n);
	assert_int_equal(bytes[11], 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(driver_take(&d, 0, &elem));
		assert_int_equal(elem.len, i + 1 < n ? SMALL : len - (n - 1) * SMALL);
	}
	for (uint32_t i = NET_HDR_LEN; i < len; i++)
		assert_int_equal(bytes[i], (uint8_t)(i - NET_HDR_LEN));
}

static void receive(uint32_t len)
{
	n_waiting++;
	waiting_len = len;
	net_rx(&net);
}

static void one_packet_in_several_buffers(void **state)
{
	static const uint32_t lens[] = { 100, SMALL, SMALL + 1, 5 * SMALL - 1, 26, 5 * SMALL };

	(void)state;
	for (uint32_t round = 0; round < 2; round++) { /* at first by spill, then as guessed */
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			unsigned int irqs = d.n_irqs;
			gpa_t a = offer_small((lens[i] + SMALL - 1) / SMALL);

			driver_set_used_event(&d, 0, d.rings[0].last_used);
			driver_kick(&d, NET_QUEUE_RX);
			receive(lens[i]);
			assert_int_equal(d.n_irqs, irqs + 1);
			expect_packet(a, lens[i]);
			driver_expect_nothing(&d, 0);
			d.next_gpa = a;
		}
	}
	assert_int_equal(net.n_rx_dropped, 0);
}

/* What a long packet didn't need is there for the next ones, in order. */
static void unused_buffers_are_given_back(void **state)
{
	gpa_t a = offer_small(16);

	(void)state;
	receive(9 * SMALL);
	expect_packet(a, 9 * SMALL);
	a += 9 * SMALL;
	assert_int_equal(net.dev.queues[0].last_avail, 9);
	receive(60);
	expect_packet(a, 60);
	a += SMALL;
	assert_int_equal(net.dev.queues[0].last_avail, 10);
	n_waiting = 3;
	waiting_len = 2 * SMALL;
	net_rx(&net);
	for (uint32_t i = 0; i < 3; i++, a += 2 * SMALL)
		expect_packet(a, 2 * SMALL);
	driver_expect_nothing(&d, 0);
	assert_int_equal(net.dev.queues[0].last_avail, 16);
}

static void no_half_packet(void **state)
{
	gpa_t a = offer_small(2);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) { /* waits for a third and a fourth buffer */
		receive(3 * SMALL + 1);
		driver_expect_nothing(&d, 0);
		assert_false(net_wants_rx(&net));
		n_waiting = 1;
		waiting_len = 60;
		net_rx(&net); /* nothing overtakes it */
		assert_int_equal(n_waiting, 1);
		offer_small(1);
		assert_false(driver_kick(&d, NET_QUEUE_RX));
		driver_expect_nothing(&d, 0);
		assert_false(net_wants_rx(&net));
		offer_small(2);
		assert_false(driver_kick(&d, NET_QUEUE_RX)); /* brings it, and the small one */
		expect_packet(a, 3 * SMALL + 1);
		expect_packet(a + 4 * SMALL, 60);
		assert_int_equal(n_waiting, 0);
		a = offer_small(2);
		driver_kick(&d, NET_QUEUE_RX);
	}
	assert_int_equal(net.n_rx_dropped, 0);
}

static void a_reset_forgets_what_is_held(void **state)
{
	gpa_t a;

	(void)state;
	offer_small(1);
	receive(2 * SMALL);
	assert_int_equal(net.held_len, 2 * SMALL);
	driver_start(&d, &net.dev, F_NET | F_MRG, 16);
	a = offer_small(4);
	driver_kick(&d, NET_QUEUE_RX);
	driver_expect_nothing(&d, 0);
	receive(60);
	expect_packet(a, 60);
}

/* More than the driver's whole ring holds: waiting for buffers would never end. */
static void longer_than_all_buffers(void **state)
{
	gpa_t a = offer_small(16);

	(void)state;
	receive(16 * SMALL + 1);
	assert_int_equal(net.n_rx_dropped, 1);
	assert_true(net_wants_rx(&net));
	receive(16 * SMALL);
	expect_packet(a, 16 * SMALL);
	for (uint32_t i = 0; i < 8; i++)
		ADD(&d, 0, { a, SMALL, true });
	receive(16 * SMALL + 1); /* held … */
	assert_int_equal(net.n_rx_dropped, 1);
	for (uint32_t i = 0; i < 8; i++)
		ADD(&d, 0, { a, SMALL, true });
	driver_kick(&d, NET_QUEUE_RX); /* … and then given up */
	assert_int_equal(net.n_rx_dropped, 2);
	assert_int_equal(net.held_len, 0);
	driver_expect_nothing(&d, 0);
}

static void longest_packet_and_many_pieces(void **state)
{
	struct buf bufs[8];
	gpa_t a = driver_alloc(&d, NET_MAX_PACKET_LEN + 8), table = driver_alloc(&d, 256 * 16);
	struct vring_used_elem elem;

	(void)state;
	for (uint16_t i = 0; i < 8; i++)
		bufs[i] = (struct buf){ a + i * 8200ull, 8200, true };
	for (uint16_t i = 0; i < 8; i++)
		driver_add(&d, 0, &bufs[i], 1);
	receive(NET_MAX_PACKET_LEN);
	for (uint32_t i = 0; i < 8; i++) {
		assert_true(driver_take(&d, 0, &elem));
		assert_int_equal(elem.len, i < 7 ? 8200 : NET_MAX_PACKET_LEN - 7 * 8200);
	}
	for (uint32_t i = NET_HDR_LEN; i < NET_MAX_PACKET_LEN; i++)
		assert_int_equal(*(uint8_t *)driver_ptr(&d, a + i, 1), (uint8_t)(i - NET_HDR_LEN));
	/* two chains of 200 pieces each are more than go into one read: the second is left alone */
	for (uint16_t k = 0; k < 2; k++) {
		for (uint16_t i = 0; i < 200; i++) {
			struct vring_desc *t = driver_ptr(&d, table + i * 16u, 16);

			*t = (struct vring_desc){ a, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
						  (uint16_t)(i + 1) };
			if (i == 199)
				t->flags = VRING_DESC_F_WRITE;
		}
		*driver_desc(&d, 0, k) =
			(struct vring_desc){ table, 200 * 16, VRING_DESC_F_INDIRECT, 0 };
		driver_offer(&d, 0, k);
	}
	receive(2000);
	assert_int_equal(net.n_rx_dropped, 1);
	driver_expect_nothing(&d, 0);
	receive(1600);
	driver_expect(&d, 0, 0, 1600);
}

static void a_buffer_that_holds_no_header(void **state)
{
	(void)state;
	offer_small(1);
	ADD(&d, 0, { 0x800, NET_HDR_LEN - 1, true });
	receive(60);
	driver_expect(&d, 0, 0, 60);
	receive(60);
	driver_expect_failed(&d);
	assert_false(net_wants_rx(&net));
}

/* ---- what the guest asks the host to fill in ---- */

#define TCP_START  34
#define UDP6_START 54

struct ask {
	const char *what;
	struct virtio_net_hdr_v1 hdr;
	uint32_t len; /* of the frame */
	uint16_t at;  /* byte of the frame that is changed, 0: none … */
	uint8_t to;   /* … to this */
};

/* IPv4 with TCP, or IPv6 with UDP: the kernel's own drivers' frames. */
static uint32_t make_frame(uint8_t *frame, uint32_t len, bool ipv6)
{
	memset(frame, 0x5a, len);
	frame[12] = ipv6 ? 0x86 : 8;
	frame[13] = ipv6 ? 0xdd : 0;
	frame[14] = ipv6 ? 0x60 : 0x45;
	frame[20] = ipv6 ? 17 : 0x40; /* next header; or don't fragment */
	frame[21] = 0;
	frame[23] = 6; /* protocol */
	return len;
}

/* Whether the frame went out, behind a header of what was asked for and nothing else. */
static bool ask(const struct ask *a, bool ipv6)
{
	static uint8_t packet[FRAME_SPACE];
	const uint32_t len = make_frame(packet + NET_HDR_LEN, a->len, ipv6);
	struct virtio_net_hdr_v1 expected = a->hdr, got;
	unsigned int before = n_sent;
	gpa_t gpa;

	memcpy(packet, &a->hdr, NET_HDR_LEN);
	if (a->at != 0)
		packet[NET_HDR_LEN + a->at] = a->to;
	gpa = driver_bytes(&d, packet, NET_HDR_LEN + len);
	ADD(&d, 1, { gpa, 20, false }, { gpa + 20, NET_HDR_LEN + len - 20, false });
	driver_kick(&d, NET_QUEUE_TX);
	d.next_gpa = gpa;
	if (n_sent == before)
		return false;
	expected.num_buffers = 0;
	memcpy(&got, sent, sizeof(got));
	assert_memory_equal(&got, &expected, sizeof(got));
	assert_int_equal(sent_len, NET_HDR_LEN + len);
	assert_memory_equal(sent + NET_HDR_LEN, packet + NET_HDR_LEN, len);
	return true;
}

#define CSUM(start, offset) .flags = 1, .csum_start = (start), .csum_offset = (offset)
#define TSO4(size)                                                                                 \
	CSUM(TCP_START, 16), .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = (size), .hdr_len = 54

static const struct ask honest[] = {
	{ "TCP's checksum", { CSUM(TCP_START, 16) }, 54, 0, 0 },
	{ "a whole frame", { CSUM(TCP_START, 16), .num_buffers = 7 }, 1514, 0, 0 },
	{ "UDP's checksum", { CSUM(TCP_START, 6) }, 42, 23, 17 },
	{ "behind options", { CSUM(TCP_START + 40, 16) }, 94, 14, 0x4f },
	{ "TSO", { TSO4(1448) }, 30000, 0, 0 },
	{ "the longest TSO", { TSO4(1448) }, NET_MAX_GSO_LEN, 0, 0 },
	{ "the smallest segments", { TSO4(8) }, 200, 0, 0 },
};

static const struct ask hostile[] = {
	{ "csum_start beyond the frame (CVE-2024-43897)", { CSUM(60000, 16) }, 100, 0, 0 },
	{ "csum_offset beyond the frame", { CSUM(TCP_START, 60000) }, 100, 0, 0 },
	{ "both, beyond 2^16", { CSUM(65535, 65535) }, 100, 0, 0 },
	{ "a checksum half behind the frame", { CSUM(TCP_START, 16) }, 51, 0, 0 },
	{ "a checksum of half a header", { CSUM(TCP_START, 16) }, 20, 0, 0 },
	{ "a frame below 14 bytes (CVE-2024-41090)", { CSUM(TCP_START, 16) }, 13, 0, 0 },
	{ "a checksum over the MAC", { CSUM(0, 6) }, 100, 0, 0 },
	{ "a checksum over the source address, checked before", { CSUM(14, 12) }, 100, 0, 0 },
	{ "a checksum over the destination", { CSUM(14, 16) }, 100, 0, 0 },
	{ "a checksum over the port", { CSUM(TCP_START - 16, 16) }, 100, 0, 0 },
	{ "a checksum somewhere in the data", { CSUM(TCP_START, 18) }, 100, 0, 0 },
	{ "TCP's at UDP's place", { CSUM(TCP_START, 6) }, 100, 0, 0 },
	{ "a checksum of ICMP", { CSUM(TCP_START, 2) }, 100, 23, 1 },
	{ "a checksum of a fragment", { CSUM(TCP_START, 16) }, 100, 21, 1 },
	{ "a checksum of a first fragment", { CSUM(TCP_START, 16) }, 100, 20, 0x20 },
	{ "a checksum behind a VLAN tag", { CSUM(TCP_START, 16) }, 100, 12, 0x81 },
	{ "a checksum in a header that is too short", { CSUM(30, 16) }, 100, 14, 0x44 },
	{ "not IPv4, though it says so", { CSUM(TCP_START, 16) }, 100, 14, 0x65 },
	{ "DATA_VALID", { .flags = 2 }, 100, 0, 0 },
	{ "unknown flags",
	  { .flags = 0x81, .csum_start = TCP_START, .csum_offset = 16 },
	  100,
	  0,
	  0 },
	{ "gso_size 0", { TSO4(0) }, 3000, 0, 0 },
	{ "a segment for each byte", { TSO4(7) }, 3000, 0, 0 },
	{ "hdr_len beyond the frame",
	  { CSUM(TCP_START, 16), .gso_type = 1, .gso_size = 1448, .hdr_len = 3001 },
	  3000,
	  0,
	  0 },
	{ "hdr_len short of the header",
	  { CSUM(TCP_START, 16), .gso_type = 1, .gso_size = 1448, .hdr_len = 53 },
	  3000,
	  0,
	  0 },
	{ "TSO without a checksum",
	  { .gso_type = 1, .gso_size = 1448, .hdr_len = 54 },
	  3000,
	  0,
	  0 },
	{ "TSO of UDP",
	  { CSUM(TCP_START, 6), .gso_type = 1, .gso_size = 1448, .hdr_len = 54 },
	  3000,
	  23,
	  17 },
	{ "IPv6's TSO of IPv4",
	  { CSUM(TCP_START, 16), .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1448,
	    .hdr_len = 54 },
	  3000,
	  0,
	  0 },
	{ "ECN, not offered",
	  { CSUM(TCP_START, 16), .gso_type = 0x81, .gso_size = 1448, .hdr_len = 54 },
	  3000,
	  0,
	  0 },
	{ "UDP fragmentation",
	  { CSUM(TCP_START, 6), .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1448,
	    .hdr_len = 54 },
	  3000,
	  23,
	  17 },
	{ "UDP segmentation",
	  { CSUM(TCP_START, 6), .gso_type = 5, .gso_size = 1448, .hdr_len = 54 },
	  3000,
	  23,
	  17 },
	{ "beyond the MTU without TSO", { CSUM(TCP_START, 16) }, 1519, 0, 0 },
	{ "longer than any packet", { TSO4(1448) }, NET_MAX_GSO_LEN + 1, 0, 0 },
};

static void checksum_and_tso(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(honest); i++) {
		if (!ask(&honest[i], false))
			fail_msg("dropped: %s", honest[i].what);
	}
	assert_int_equal(net.n_tx_dropped, 0);
}

static void hostile_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		if (ask(&hostile[i], false))
			fail_msg("sent: %s", hostile[i].what);
	}
	assert_int_equal(net.n_tx_dropped, ARRAY_SIZE(hostile));
	assert_true(virtio_dev_active(&net.dev));
}

static void checksum_and_tso_in_ipv6(void **state)
{
	const struct ask udp = { "", { CSUM(UDP6_START, 6) }, 62, 0, 0 };
	const struct ask extended = { "", { CSUM(UDP6_START, 6) }, 62, 20, 60 };
	const struct ask behind = { "", { CSUM(UDP6_START + 8, 6) }, 70, 0, 0 };
	const struct ask not_six = { "", { CSUM(UDP6_START, 6) }, 62, 14, 0x45 };
	struct ask tso = { "", { CSUM(UDP6_START, 16) }, 9000, 20, 6 };

	(void)state;
	assert_true(ask(&udp, true));
	assert_false(ask(&extended, true));
	assert_false(ask(&behind, true));
	assert_false(ask(&not_six, true));
	tso.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	tso.hdr.gso_size = 1428;
	tso.hdr.hdr_len = 74;
	assert_true(ask(&tso, true));
	tso.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	assert_false(ask(&tso, true));
}

/* Offered isn't negotiated. */
static void offloads_that_were_not_taken(void **state)
{
	static const uint64_t csum = 1ull << VIRTIO_NET_F_CSUM;
	const struct ask plain = { "", { .flags = 0 }, 1514, 0, 0 };

	(void)state;
	driver_start(&d, &net.dev, F_NET, 16);
	for (size_t i = 0; i < ARRAY_SIZE(honest); i++)
		assert_false(ask(&honest[i], false));
	d.next_gpa = 0x8000;
	driver_start(&d, &net.dev, F_NET | csum | 1ull << VIRTIO_NET_F_HOST_TSO6, 16);
	for (size_t i = 0; i < ARRAY_SIZE(honest); i++)
		assert_int_equal(ask(&honest[i], false), honest[i].hdr.gso_type == 0);
	assert_true(ask(&plain, false));
}

/* A head that changes after it was looked at isn't what goes out. */
static void the_head_is_read_once(void **state)
{
	uint8_t packet[NET_HDR_LEN + 100] = { 0 };
	gpa_t gpa;

	(void)state;
	make_frame(packet + NET_HDR_LEN, 100, false);
	packet[0] = 1;
	packet[6] = TCP_START;
	packet[8] = 16;
	gpa = driver_bytes(&d, packet, sizeof(packet));
	ADD(&d, 1, { gpa, sizeof(packet), false });
	forged = driver_ptr(&d, gpa + NET_HDR_LEN, 60);
	driver_kick(&d, NET_QUEUE_TX);
	forged = NULL;
	assert_int_equal(n_sent, 1);
	assert_memory_equal(sent + NET_HDR_LEN, packet + NET_HDR_LEN, 60);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_all, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_packet_in_several_buffers),
		T(unused_buffers_are_given_back),
		T(no_half_packet),
		T(a_reset_forgets_what_is_held),
		T(longer_than_all_buffers),
		T(longest_packet_and_many_pieces),
		T(a_buffer_that_holds_no_header),
		T(checksum_and_tso),
		T(hostile_headers),
		T(checksum_and_tso_in_ipv6),
		T(offloads_that_were_not_taken),
		T(the_head_is_read_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("net_offloads", tests, NULL, NULL);
}
