/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * A network card.
 *
 * From the guest: whoever checks the frame, checks it before the host fills in what the header in
 * front of it asks for. So only the checksum of a TCP or UDP header that the frame really has is
 * let through; one at another place could change an address after it was checked. What that is
 * judged by is copied once, and the copy is sent.
 *
 * To the guest: a packet is read into as many receive buffers as the last ones took. What goes
 * beyond lands in `spill`, and is copied into further buffers; if the guest has none, it is held
 * until it has.
 */
#include "vmm/virtio/net.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/bug.h"
#include "base/num.h"

#define RX_OFFLOADS                                                                                \
	(1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ull << VIRTIO_NET_F_GUEST_TSO6)
#define HEAD_LEN     (ETH_HLEN + 60) /* Ethernet's and the longest IPv4 header */
#define MIN_GSO_SIZE 8 /* Linux' TCP sends no less (CVE-2019-11478); each segment costs the host */

static_assert(offsetof(struct net, dev) == 0, "the device is its first member");
static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HDR_LEN, "virtio 1.2 §5.1.6");
static_assert(NET_MAX_FRAME_LEN > NET_MIN_FRAME_LEN && HEAD_LEN < NET_MAX_FRAME_LEN, "");
static_assert(HEAD_LEN >= ETH_HLEN + sizeof(struct ipv6hdr), "");

static bool has(const struct net *net, uint32_t feature)
{
	return (net->dev.driver_features & 1ull << feature) != 0;
}

static void config_read(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len)
{
	const struct net *net = (const struct net *)dev;

	memcpy(out, net->mac + offset, len);
}

/* ---- from the guest ---- */

/* What a frame's head says. */
struct transport {
	uint8_t protocol; /* 0: neither plain TCP nor plain UDP */
	uint8_t gso_type; /* that it could be cut by */
	uint32_t start;	  /* of the transport header */
	uint32_t csum_offset;
};

static struct transport transport_of(const uint8_t head[HEAD_LEN])
{
	struct transport t = { .protocol = 0 };
	uint32_t ethertype = (uint32_t)head[12] << 8 | head[13];
	struct iphdr ip4;
	struct ipv6hdr ip6;

	memcpy(&ip4, head + ETH_HLEN, sizeof(ip4));
	memcpy(&ip6, head + ETH_HLEN, sizeof(ip6));
	if (ethertype == ETH_P_IP && ip4.version == 4 && ip4.ihl >= 5 &&
	    (ip4.frag_off & __builtin_bswap16(0x3fff)) == 0) { /* no fragment */
		t.protocol = ip4.protocol;
		t.start = ETH_HLEN + 4u * ip4.ihl;
		t.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	} else if (ethertype == ETH_P_IPV6 && ip6.version == 6) { /* no extension header */
		t.protocol = ip6.nexthdr;
		t.start = ETH_HLEN + sizeof(ip6);
		t.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	}
	if (t.protocol == IPPROTO_TCP)
		t.csum_offset = offsetof(struct tcphdr, check);
	else if (t.protocol == IPPROTO_UDP)
		t.csum_offset = offsetof(struct udphdr, check);
	else
		t.protocol = 0;
	return t;
}

/* The header to send for the guest's (virtio 1.2 §5.1.6.2); false: a frame of len bytes with such a
 * head can't have it. */
static bool check_header(const struct net *net, const struct virtio_net_hdr_v1 *theirs,
			 const uint8_t head[HEAD_LEN], uint32_t len, struct virtio_net_hdr_v1 *ours)
{
	const struct transport t = transport_of(head);

	*ours = (struct virtio_net_hdr_v1){ .flags = theirs->flags, .gso_type = theirs->gso_type };
	if (theirs->flags == 0 && theirs->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return len <= NET_MAX_FRAME_LEN;
	if (theirs->flags != VIRTIO_NET_HDR_F_NEEDS_CSUM || !has(net, VIRTIO_NET_F_CSUM) ||
	    t.protocol == 0 || theirs->csum_start != t.start ||
	    theirs->csum_offset != t.csum_offset || t.start + t.csum_offset + 2 > len)
		return false;
	ours->csum_start = theirs->csum_start;
	ours->csum_offset = theirs->csum_offset;
	if (theirs->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return len <= NET_MAX_FRAME_LEN;
	ours->gso_size = theirs->gso_size;
	ours->hdr_len = theirs->hdr_len;
	return theirs->gso_type == t.gso_type && t.protocol == IPPROTO_TCP &&
	       has(net, t.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? VIRTIO_NET_F_HOST_TSO4
							       : VIRTIO_NET_F_HOST_TSO6) &&
	       theirs->gso_size >= MIN_GSO_SIZE && theirs->hdr_len <= len &&
	       theirs->hdr_len >= t.start + sizeof(struct tcphdr);
}

/* One frame from guest to backend; false: dropped. */
static bool send_frame(struct net *net, const struct virtq_chain *chain)
{
	struct virtio_net_hdr_v1 theirs, ours;
	uint8_t head[HEAD_LEN] = { 0 };
	const struct iovec *in = virtq_readable(chain);
	uint32_t len = chain->readable_len - NET_HDR_LEN;
	struct iovec iov[2 + VIRTQ_MAX_SEGS] = {
		{ .iov_base = &ours, .iov_len = sizeof(ours) },
		{ .iov_base = head, .iov_len = num_min_u32(len, sizeof(head)) },
	};
	uint32_t n;

	if (len < NET_MIN_FRAME_LEN || len > NET_MAX_GSO_LEN)
		return false;
	virtq_copy_out(in, chain->n_readable, 0, &theirs, sizeof(theirs));
	virtq_copy_out(in, chain->n_readable, NET_HDR_LEN, head, sizeof(head));
	if (!check_header(net, &theirs, head, len, &ours))
		return false;
	n = 2 + virtq_slice(in, chain->n_readable, NET_HDR_LEN + iov[1].iov_len, len, iov + 2);
	return net->backend->send(net->ctx, iov, (int)n) == (ssize_t)(NET_HDR_LEN + len);
}

static int64_t serve_tx(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	struct net *net = (struct net *)dev;

	if (chain->readable_len < NET_HDR_LEN)
		return VIRTIO_FAULT;
	if (!send_frame(net, chain))
		net->n_tx_dropped++;
	return 0;
}

/* ---- to the guest ---- */

/* Receive buffers at hand: chains popped and not used yet, their buffers in a row. */
struct window {
	uint32_t n;
	uint32_t n_iov;
	uint64_t room;
	bool full; /* takes no more, whatever the guest offers */
	struct {
		uint16_t head;
		uint16_t n_iov;
		uint32_t len;
	} chains[VIRTQ_MAX_SIZE];
	struct iovec iov[VIRTQ_MAX_SEGS + 1]; /* one more for spill */
};

static void window_add(struct window *w, const struct virtq_chain *chain)
{
	memcpy(w->iov + w->n_iov, virtq_writable(chain), chain->n_writable * sizeof(w->iov[0]));
	w->chains[w->n].head = chain->head;
	w->chains[w->n].n_iov = (uint16_t)chain->n_writable;
	w->chains[w->n].len = chain->writable_len;
	w->n++;
	w->n_iov += chain->n_writable;
	w->room += chain->writable_len;
}

/* Pop chains until there is room for len bytes; false: there isn't. */
static bool window_fill(struct window *w, struct net *net, uint64_t len)
{
	const bool merges = has(net, VIRTIO_NET_F_MRG_RXBUF);
	const uint32_t least = merges ? NET_HDR_LEN : NET_HDR_LEN + NET_MIN_FRAME_LEN;
	struct virtq *q = &net->dev.queues[NET_QUEUE_RX];
	struct virtq_chain chain;

	while (w->room < len) {
		w->full = w->n == q->size || (w->n > 0 && !merges);
		if (w->full)
			break;
		if (!virtio_dev_pop(&net->dev, NET_QUEUE_RX, &chain)) {
			net->rx_starved = true;
			break;
		}
		if (chain.writable_len < least) {
			virtio_dev_fail(&net->dev);
			break;
		}
		if (w->n_iov + chain.n_writable > VIRTQ_MAX_SEGS) {
			virtq_unpop(q, 1);
			w->full = true;
			break;
		}
		window_add(w, &chain);
	}
	return w->room >= len;
}

/* Hand the first len bytes of the window to the guest, as one packet. */
static void window_deliver(struct window *w, struct net *net, uint32_t len)
{
	struct virtq *q = &net->dev.queues[NET_QUEUE_RX];
	uint32_t n_iov = 0;
	uint16_t n = 0;

	for (uint32_t left = len; left > 0; n++) {
		uint32_t part;

		BUG_ON(n == w->n); /* there is room for len */
		part = num_min_u32(left, w->chains[n].len);
		virtq_fill(q, net->dev.mem, w->chains[n].head, part);
		n_iov += w->chains[n].n_iov;
		w->room -= w->chains[n].len;
		left -= part;
	}
	virtq_copy_in(w->iov, w->n_iov, offsetof(struct virtio_net_hdr_v1, num_buffers), &n,
		      sizeof(n));
	virtq_publish(q, net->dev.mem);
	w->n -= n;
	w->n_iov -= n_iov;
	memmove(w->chains, w->chains + n, w->n * sizeof(w->chains[0]));
	memmove(w->iov, w->iov + n_iov, w->n_iov * sizeof(w->iov[0]));
}

/* The packet in spill; false: there is no room for it yet. */
static bool receive_held(struct net *net, struct window *w)
{
	bool fits = window_fill(w, net, net->held_len);

	if (!fits && !w->full)
		return false;
	if (fits) {
		virtq_copy_in(w->iov, w->n_iov, 0, net->spill, net->held_len);
		window_deliver(w, net, net->held_len);
	} else {
		net->n_rx_dropped++;
	}
	net->held_len = 0;
	return true;
}

/* Find room for what lies in spill from byte `room` on; false: dropped or held. */
static bool place_spill(struct net *net, struct window *w, uint32_t room, uint32_t len)
{
	if (window_fill(w, net, len)) {
		virtq_copy_in(w->iov, w->n_iov, room, net->spill + room, len - room);
		return true;
	}
	if (w->full) {
		net->n_rx_dropped++;
	} else {
		virtq_copy_out(w->iov, w->n_iov, 0, net->spill, room);
		net->held_len = len;
	}
	return false;
}

/* One packet from backend to guest; false: there is none, or no buffer. */
static bool receive_packet(struct net *net, struct window *w)
{
	uint32_t room, len;
	ssize_t got;

	(void)window_fill(w, net, net->rx_guess);
	if (w->n == 0 || !virtio_dev_active(&net->dev))
		return false;
	net->rx_starved = false; /* fewer buffers than guessed may do */
	room = (uint32_t)num_min_u64(w->room, NET_MAX_PACKET_LEN);
	w->iov[w->n_iov] = (struct iovec){ net->spill + room, sizeof(net->spill) - room };
	got = net->backend->recv(net->ctx, w->iov, (int)w->n_iov + 1);
	if (got < 0 && got != -EAGAIN)
		net->rx_starved = true; /* a tap that is gone is always readable */
	if (got <= 0)
		return false;
	if (got < NET_HDR_LEN + NET_MIN_FRAME_LEN || got > NET_MAX_PACKET_LEN) {
		net->n_rx_dropped++;
		return true;
	}
	len = (uint32_t)got;
	net->rx_guess = len > net->rx_guess / 2 ? len : net->rx_guess / 2;
	if (len <= room || place_spill(net, w, room, len))
		window_deliver(w, net, len);
	return net->held_len == 0;
}

void net_rx(struct net *net)
{
	struct virtq *q = &net->dev.queues[NET_QUEUE_RX];
	struct window w;

	if (!q->ready) { /* nor will it be, while the device is active */
		net->rx_starved = true;
		return;
	}
	w.n = w.n_iov = 0;
	w.room = 0;
	for (uint32_t i = 0; i < VIRTIO_BATCH; i++) {
		if (net->held_len > 0 ? !receive_held(net, &w) : !receive_packet(net, &w))
			break;
	}
	if (!virtio_dev_active(&net->dev))
		return;
	virtq_unpop(q, (uint16_t)w.n);
	virtio_dev_notify(&net->dev, NET_QUEUE_RX);
}

bool net_wants_rx(const struct net *net)
{
	return virtio_dev_active(&net->dev) && !net->rx_starved;
}

static bool kick(struct virtio_dev *dev, uint32_t q)
{
	struct net *net = (struct net *)dev;

	if (q == NET_QUEUE_TX)
		return virtio_dev_serve(dev, q, serve_tx);
	net->rx_starved = false;
	if (net->held_len > 0)
		net_rx(net); /* the backend may have nothing more */
	return false;
}

static void reset(struct virtio_dev *dev)
{
	((struct net *)dev)->held_len = 0;
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_NET,
	.n_queues = 2,
	.queue_max = { [NET_QUEUE_RX] = NET_QUEUE_SIZE, [NET_QUEUE_TX] = NET_QUEUE_SIZE },
	.config_len = sizeof(((struct net *)0)->mac),
	.needs = RX_OFFLOADS,
	.config_read = config_read,
	.kick = kick,
	.reset = reset,
};

void net_init(struct net *net, const struct mem *mem, struct virtio_irq irq,
	      const struct net_backend *backend, void *ctx, const uint8_t mac[6])
{
	uint64_t features = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_MRG_RXBUF |
			    1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |
			    1ull << VIRTIO_NET_F_HOST_TSO6 | RX_OFFLOADS;

	memset(net, 0, offsetof(struct net, spill)); /* which would be touched for nothing */
	net->backend = backend;
	net->ctx = ctx;
	net->rx_guess = NET_HDR_LEN;
	memcpy(net->mac, mac, sizeof(net->mac));
	virtio_dev_init(&net->dev, &model, mem, irq, features);
}
