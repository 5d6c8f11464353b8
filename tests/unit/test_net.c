/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A network card on two arrays of frames. */
#include "tests/unit/support/driver.h"

#include <errno.h>
#include <linux/virtio_net.h>

#include "base/bug.h"
#include "vmm/virtio/net.h"

#define FRAME_SPACE 70000
#define F_RX                                                                                       \
	(1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ull << VIRTIO_NET_F_GUEST_TSO6)
#define F_TX                                                                                       \
	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |                              \
	 1ull << VIRTIO_NET_F_HOST_TSO6)
#define F_MRG (1ull << VIRTIO_NET_F_MRG_RXBUF)
#define F_MAC (1ull << VIRTIO_NET_F_MAC)
#define F_NET (F_BASE | F_MAC | F_RX)

static struct driver d;
static struct net net;
static uint8_t sent[FRAME_SPACE];
static size_t sent_len;
static unsigned int n_sent, n_waiting;
static size_t waiting_len; /* of each waiting frame, header included */
static ssize_t host_error;
static const uint8_t zero_hdr[NET_HDR_LEN];
static uint8_t *forged; /* 60 bytes that the guest writes just before the host takes the frame */

static ssize_t tap_send(void *ctx, const struct iovec *iov, int n)
{
	assert_ptr_equal(ctx, sent);
	if (forged != NULL)
		memset(forged, 0xff, 60);
	sent_len = 0;
	for (int i = 0; i < n; i++) {
		assert_true(sent_len + iov[i].iov_len <= sizeof(sent));
		memcpy(sent + sent_len, iov[i].iov_base, iov[i].iov_len);
		sent_len += iov[i].iov_len;
	}
	n_sent++;
	return host_error != 0 ? host_error : (ssize_t)sent_len;
}

/* As a tap does it: what doesn't fit is lost. Header bytes 0xee, frame bytes 0, 1, 2 … */
static ssize_t tap_recv(void *ctx, const struct iovec *iov, int n)
{
	size_t done = 0;

	assert_ptr_equal(ctx, sent);
	if (host_error != 0)
		return host_error;
	if (n_waiting == 0)
		return -EAGAIN;
	n_waiting--;
	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < iov[i].iov_len && done < waiting_len; k++, done++)
			((uint8_t *)iov[i].iov_base)[k] =
				done < NET_HDR_LEN ? 0xee : (uint8_t)(done - NET_HDR_LEN);
	}
	return (ssize_t)done;
}

static const struct net_backend backend = { .send = tap_send, .recv = tap_recv };

static int start(uint64_t features)
{
	const uint8_t mac[6] = { 2, 0, 0, 1, 2, 3 };

	sent_len = n_sent = n_waiting = 0;
	host_error = 0;
	driver_init(&d);
	net_init(&net, &d.mem, driver_irq(&d), &backend, sent, mac);
	driver_start(&d, &net.dev, features, 16);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(F_NET);
}

static int setup_all(void **state)
{
	(void)state;
	return start(F_NET | F_TX | F_MRG | F_RING);
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

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

#define T(f)	 cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T_ALL(f) cmocka_unit_test_setup_teardown(f, setup_all, teardown)

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
		T_ALL(one_packet_in_several_buffers),
		T_ALL(unused_buffers_are_given_back),
		T_ALL(no_half_packet),
		T_ALL(a_reset_forgets_what_is_held),
		T_ALL(longer_than_all_buffers),
		T_ALL(longest_packet_and_many_pieces),
		T_ALL(a_buffer_that_holds_no_header),
		T_ALL(checksum_and_tso),
		T_ALL(hostile_headers),
		T_ALL(checksum_and_tso_in_ipv6),
		T_ALL(offloads_that_were_not_taken),
		T_ALL(the_head_is_read_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
