/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_FUZZ_SUPPORT_DEVICES_H
#define TESTS_FUZZ_SUPPORT_DEVICES_H

/*
 * A driver made of input bytes, for the device models behind their registers. The input is a list
 * of commands: register reads and writes, writes to guest memory, kicks, what happens on the host's
 * side. Some only save the fuzzer time: START takes the driver's way to DRIVER_OK, ADD puts a chain
 * on a ring, TALK a request as a real driver makes them. Backends touch every byte that they are
 * given and answer as the input says.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>

#include "base/bug.h"
#include "tests/fuzz/support/backends.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/mmio.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

#define LOW_LEN	  0x8000
#define HIGH_GPA  0x100000000ull
#define HIGH_LEN  0x1000
#define PAGE	  0x1000
#define RINGS	  0x4000 /* START puts queue q's rings at RINGS + q * RING_STEP */
#define RING_STEP 0x1000
#define RING_SIZE 16
#define GUEST_CID 3

enum device { DEV_BLK, DEV_NET, DEV_CONSOLE, DEV_RNG, DEV_VSOCK, DEV_BALLOON, N_DEVICES };

static struct mem mem;
static struct mmio_dev mmio;
static union {
	struct virtio_dev dev;
	struct blk blk;
	struct net net;
	struct console console;
	struct rng rng;
	struct vsock vsock;
	struct balloon balloon;
} model;
static uint16_t next_desc[VIRTIO_MAX_QUEUES]; /* of START's rings */

static void no_irq(void *ctx)
{
	(void)ctx;
}

static void init_model(enum device device, bool read_only)
{
	static const struct blk_backend blk = { blk_give, blk_take, blk_flush, blk_zero };
	static const struct net_backend net = { net_send, net_recv };
	static const struct console_backend console = { console_write };
	static const struct rng_backend rng = { rng_fill };
	static const struct vsock_backend vsock = { vsock_give, vsock_take, vsock_shutdown,
						    vsock_closed };
	static const struct balloon_backend balloon = { balloon_release };
	const struct blk_config config = { .capacity_bytes = DISK_LEN, .read_only = read_only };
	const struct virtio_irq irq = { .raise = no_irq };

	memset(&model, 0, sizeof(model));
	memset(next_desc, 0, sizeof(next_desc));
	memset(slot_open, 0, sizeof(slot_open));
	switch (device) {
	case DEV_BLK:
		blk_init(&model.blk, &mem, irq, &blk, NULL, &config);
		break;
	case DEV_NET:
		net_init(&model.net, &mem, irq, &net, NULL, (const uint8_t[6]){ 2 });
		break;
	case DEV_CONSOLE:
		console_init(&model.console, &mem, irq, &console, NULL);
		break;
	case DEV_RNG:
		rng_init(&model.rng, &mem, irq, &rng, NULL);
		break;
	case DEV_BALLOON:
		balloon_init(&model.balloon, &mem, irq, &balloon, NULL);
		break;
	default:
		vsock_init(&model.vsock, &mem, irq, &vsock, NULL, GUEST_CID);
	}
	mmio_init(&mmio, &model.dev);
}

static void kick(uint32_t queues)
{
	for (uint32_t q = 0; q < model.dev.model->n_queues; q++) {
		if ((queues & 1u << q) != 0)
			(void)model.dev.model->kick(&model.dev, q);
	}
}

static void set(uint64_t reg, uint32_t value)
{
	kick(mmio_write(&mmio, reg, &value, sizeof(value)));
}

/* Features that the driver leaves out, by one byte: of the first eight, or of those that a card can
 * do without, and one that it can't. */
static uint64_t left_out(void)
{
	static const uint8_t card[8] = {
		VIRTIO_NET_F_MAC,	 VIRTIO_NET_F_CSUM,	  VIRTIO_NET_F_HOST_TSO4,
		VIRTIO_NET_F_HOST_TSO6,	 VIRTIO_NET_F_MRG_RXBUF,  VIRTIO_RING_F_INDIRECT_DESC,
		VIRTIO_RING_F_EVENT_IDX, VIRTIO_NET_F_GUEST_CSUM,
	};
	uint64_t bits = next_n(1), features = 0;

	if (model.dev.model->device_id != VIRTIO_ID_NET)
		return bits;
	for (uint32_t i = 0; i < ARRAY_SIZE(card); i++)
		features |= (bits >> i & 1) << card[i];
	return features;
}

static void start(void)
{
	uint64_t features = model.dev.features & ~left_out();

	memset(mem.regions[0].host + RINGS, 0, LOW_LEN - RINGS);
	memset(next_desc, 0, sizeof(next_desc));
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, 1);
	set(VIRTIO_MMIO_STATUS, 3);
	for (uint32_t sel = 0; sel < 2; sel++) {
		set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, sel);
		set(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * sel)));
	}
	set(VIRTIO_MMIO_STATUS, 11);
	for (uint32_t q = 0; q < model.dev.model->n_queues; q++) {
		uint32_t rings = RINGS + q * RING_STEP;

		set(VIRTIO_MMIO_QUEUE_SEL, q);
		set(VIRTIO_MMIO_QUEUE_NUM, RING_SIZE);
		set(VIRTIO_MMIO_QUEUE_DESC_LOW, rings);
		set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, rings + 0x400);
		set(VIRTIO_MMIO_QUEUE_USED_LOW, rings + 0x800);
		set(VIRTIO_MMIO_QUEUE_READY, 1);
	}
	set(VIRTIO_MMIO_STATUS, 15);
}

/* Put a chain on START's ring of queue q. */
static void add_chain(uint32_t q, const struct vring_desc *bufs, uint32_t n)
{
	uint8_t *rings = mem.regions[0].host + RINGS + q * RING_STEP;
	struct vring_desc *desc = (void *)rings;
	struct vring_avail *avail = (void *)(rings + 0x400);
	uint16_t head = next_desc[q];

	for (uint32_t i = 0; i < n; i++) {
		desc[(head + i) % RING_SIZE] = bufs[i];
		desc[(head + i) % RING_SIZE].next = (uint16_t)((head + i + 1) % RING_SIZE);
		if (i + 1 < n)
			desc[(head + i) % RING_SIZE].flags |= VRING_DESC_F_NEXT;
	}
	next_desc[q] = (uint16_t)((head + n) % RING_SIZE);
	avail->ring[avail->idx % RING_SIZE] = head;
	avail->idx++;
}

/* A chain of up to four buffers, wherever. */
static void add(void)
{
	uint32_t q = next() % 3, n = 1 + next() % 4;
	struct vring_desc bufs[4];

	for (uint32_t i = 0; i < n; i++) {
		uint16_t flags = next() & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT);
		uint64_t addr = next_n(2) % RINGS;

		bufs[i] = (struct vring_desc){ addr, (uint32_t)next_n(2), flags, 0 };
	}
	add_chain(q, bufs, n);
}

/* What a discard or write zeroes asks for, mostly within the disk. */
static void blk_segments(void)
{
	struct virtio_blk_discard_write_zeroes *segs = (void *)(mem.regions[0].host + 0x1000);

	for (uint32_t i = 0; i < 2; i++) {
		segs[i] = (struct virtio_blk_discard_write_zeroes){ next() % 16u, next() % 16u,
								    next() % 4u };
	}
}

static void blk_request(void)
{
	struct virtio_blk_outhdr hdr = { .type = next() % 16u, .sector = next() };
	bool out = hdr.type == VIRTIO_BLK_T_OUT || hdr.type == VIRTIO_BLK_T_DISCARD ||
		   hdr.type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint16_t in = out ? 0 : VRING_DESC_F_WRITE;
	const struct vring_desc bufs[] = {
		{ 0x100, sizeof(hdr), 0, 0 },
		{ 0x1000, next() * 32u, in, 0 },
		{ 0x200, 1, VRING_DESC_F_WRITE, 0 },
	};

	memcpy(mem.regions[0].host + 0x100, &hdr, sizeof(hdr));
	if (hdr.type >= VIRTIO_BLK_T_DISCARD)
		blk_segments();
	add_chain(0, bufs, ARRAY_SIZE(bufs));
	kick(1);
}

/* Pages for the balloon, or a report of some; few numbers, so that neighbours meet. */
static void balloon_pages(void)
{
	uint32_t q = next() % 3u, n = next() % 64u;
	uint32_t *pfns = (void *)(mem.regions[0].host + 0x1000);
	const struct vring_desc bufs[] = {
		{ q == BALLOON_QUEUE_REPORTING ? next_n(2) % LOW_LEN : 0x1000, n * 4,
		  q == BALLOON_QUEUE_REPORTING ? VRING_DESC_F_WRITE : 0, 0 },
		{ HIGH_GPA, HIGH_LEN, VRING_DESC_F_WRITE, 0 },
	};

	for (uint32_t i = 0; i < n; i++)
		pfns[i] = next() % 4u == 3 ? (uint32_t)next_n(4) : next() % 4u;
	add_chain(q, bufs, ARRAY_SIZE(bufs));
	kick(1u << q);
}

/* A packet of few ports, so that it often hits a connection. */
static void vsock_packet(void)
{
	uint8_t port = next();
	struct virtio_vsock_hdr hdr = {
		.src_cid = GUEST_CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = port & 3,
		.dst_port = port & 0x80 ? VSOCK_FIRST_HOST_PORT + (port >> 2 & 3) : port >> 2 & 3,
		.len = next() * 64u,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = next() % 9,
		.flags = next() & 3,
		.buf_alloc = next() * 64u,
		.fwd_cnt = next() * 16u,
	};
	const struct vring_desc bufs[] = { { 0x100, sizeof(hdr), 0, 0 },
					   { 0x1000, hdr.len, 0, 0 } };

	memcpy(mem.regions[0].host + 0x100, &hdr, sizeof(hdr));
	add_chain(VSOCK_QUEUE_TX, bufs, ARRAY_SIZE(bufs));
	kick(1u << VSOCK_QUEUE_TX);
}

/* What a console is to send: a head and a payload. */
static void transmit(uint32_t q)
{
	const struct vring_desc bufs[] = { { 0x100, next() % 64u, 0, 0 },
					   { 0x1000, next() * 8u, 0, 0 } };

	add_chain(q, bufs, ARRAY_SIZE(bufs));
	kick(1u << q);
}

/* A frame of TCP or UDP, whose header asks for something that mostly makes sense. */
static void net_frame(void)
{
	static const uint8_t types[] = { VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4,
					 VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP };
	uint8_t how = next(), *frame = mem.regions[0].host + 0x1000;
	bool ipv6 = (how & 1) != 0, udp = (how & 2) != 0;
	struct virtio_net_hdr_v1 hdr = {
		.flags = (how & 4) == 0,
		.gso_type = types[how >> 3 & 3],
		.csum_start = (uint16_t)((how & 32) == 0 ? (ipv6 ? 54 : 34) : next()),
		.csum_offset = (uint16_t)((how & 64) == 0 ? (udp ? 6 : 16) : next()),
		.hdr_len = (uint16_t)((how & 128) == 0 ? 74 : next()),
		.gso_size = (uint16_t)(next() * 6u),
	};
	const struct vring_desc bufs[] = { { 0x100, sizeof(hdr), 0, 0 },
					   { 0x1000, next() * 48u, 0, 0 } };

	memcpy(mem.regions[0].host + 0x100, &hdr, sizeof(hdr));
	frame[12] = ipv6 ? 0x86 : 0x08;
	frame[13] = ipv6 ? 0xdd : 0;
	frame[14] = ipv6 ? 0x60 : 0x45;
	frame[ipv6 ? 20 : 23] = udp ? 17 : 6;
	add_chain(1, bufs, ARRAY_SIZE(bufs));
	kick(2);
}

static void give_buffer(void)
{
	const struct vring_desc buf = { 0x2000, next() * 16u, VRING_DESC_F_WRITE, 0 };

	add_chain(0, &buf, 1);
	kick(1);
}

/* What a driver of this device does. */
static void talk(enum device device)
{
	if (device == DEV_BLK)
		blk_request();
	else if (device == DEV_BALLOON)
		balloon_pages();
	else if (device == DEV_RNG || next() % 2 != 0)
		give_buffer();
	else if (device == DEV_VSOCK)
		vsock_packet();
	else if (device == DEV_NET)
		net_frame();
	else
		transmit(1);
}

static void poke(void)
{
	uint64_t gpa = next_n(2) % LOW_LEN;
	uint32_t len = next() % 64;

	for (uint32_t i = 0; i < len && gpa + i < LOW_LEN; i++)
		mem.regions[0].host[gpa + i] = next();
}

static void access_register(bool write)
{
	uint64_t offset = next_n(2) % MMIO_WINDOW_LEN, value;
	uint32_t len = 1u + next() % 8;

	if (write) {
		value = next_n(len);
		kick(mmio_write(&mmio, offset, &value, len));
	} else {
		mmio_read(&mmio, offset, &value, len);
	}
}

static void vsock_event(void)
{
	uint32_t slot = next() % VSOCK_MAX_CONNS;
	struct vsock *v = &model.vsock;
	int free_slot = vsock_free_slot(v);

	switch (next() % 5) {
	case 0:
		if ((vsock_wants(v, slot) & VSOCK_WANT_READ) != 0)
			vsock_readable(v, slot);
		break;
	case 1:
		vsock_writable(v, slot);
		break;
	case 2:
		vsock_close(v, slot);
		break;
	default:
		if (free_slot < 0)
			break;
		BUG_ON(slot_open[free_slot]);
		slot_open[free_slot] = true;
		if ((slot & 1) != 0)
			vsock_connect(v, (uint32_t)free_slot, next() % 4);
		else
			vsock_offer(v, (uint32_t)free_slot, next() % 4);
	}
}

static void host_event(enum device device)
{
	switch (device) {
	case DEV_NET:
		net_rx(&model.net);
		break;
	case DEV_CONSOLE:
		console_input(&model.console, "typed by a person", next() % 17u);
		if (next() & 1)
			console_resize(&model.console, next(), next());
		break;
	case DEV_VSOCK:
		vsock_event();
		break;
	case DEV_BALLOON:
		balloon_set_target(&model.balloon, next_n(5));
		break;
	default:
		break;
	}
}

static void command(enum device device)
{
	switch (next() % 8) {
	case 0:
		access_register(false);
		break;
	case 1:
		access_register(true);
		break;
	case 2:
		poke();
		break;
	case 3:
		kick(next());
		break;
	case 4:
		start();
		break;
	case 5:
		add();
		break;
	case 6:
		talk(device);
		break;
	default:
		host_event(device);
	}
}

/* What no sanitizer sees. */
static void check_vsock(const struct vsock *v)
{
	BUG_ON(v->n_rsts > VSOCK_MAX_RSTS);
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		const struct vsock_conn *conn = &v->conns[i];
		bool has_stream = conn->state != VSOCK_FREE && conn->state != VSOCK_CLOSING;

		BUG_ON(has_stream != slot_open[i]);
		BUG_ON(conn->buf_len > VSOCK_BUF_LEN || conn->buf_start >= VSOCK_BUF_LEN);
		BUG_ON(conn->state == VSOCK_FREE && conn->owed != 0);
	}
}

static void devices_begin(const uint8_t *data, size_t size)
{
	input = data;
	input_len = size;
	mem.n_regions = 2;
	mem.regions[0] = (struct mem_region){ 0, LOW_LEN, aligned_alloc(PAGE, LOW_LEN) };
	mem.regions[1] = (struct mem_region){ HIGH_GPA, HIGH_LEN, aligned_alloc(PAGE, HIGH_LEN) };
	memset(mem.regions[0].host, 0, LOW_LEN);
	memset(mem.regions[1].host, 0, HIGH_LEN);
}

/* Commands until the input ends. */
static void devices_run(enum device device)
{
	while (input_len > 0) {
		command(device);
		if (device == DEV_VSOCK)
			check_vsock(&model.vsock);
	}
	free(mem.regions[0].host);
	free(mem.regions[1].host);
}

#endif
