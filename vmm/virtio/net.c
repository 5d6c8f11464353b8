/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A network card without offloads: the header in front of a frame carries nothing, so each side
 * gets one of ours. */
#include "vmm/virtio/net.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/bug.h"
#include "base/num.h"

static_assert(offsetof(struct net, dev) == 0, "the device is its first member");
static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HDR_LEN, "virtio 1.2 §5.1.6");
static_assert(NET_MAX_FRAME_LEN > NET_MIN_FRAME_LEN, "");

static void config_read(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len)
{
	const struct net *net = (const struct net *)dev;

	memcpy(out, net->mac + offset, len);
}

/* One frame from guest to backend; false: dropped. */
static bool send_frame(struct net *net, const struct virtq_chain *chain)
{
	struct virtio_net_hdr_v1 theirs, ours = { .num_buffers = 0 };
	const struct iovec *in = virtq_readable(chain);
	uint32_t len = chain->readable_len - NET_HDR_LEN;
	struct iovec iov[NET_MAX_IOVS] = { { .iov_base = &ours, .iov_len = sizeof(ours) } };
	uint32_t n;

	virtq_copy_out(in, chain->n_readable, 0, &theirs, sizeof(theirs));
	if (theirs.flags != 0 || theirs.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false; /* relies on an offload that was not offered */
	if (len < NET_MIN_FRAME_LEN || len > NET_MAX_FRAME_LEN)
		return false;
	n = 1 + virtq_slice(in, chain->n_readable, NET_HDR_LEN, len, iov + 1);
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

enum recv_result { RECV_NONE, RECV_DROPPED, RECV_FRAME };

/* One frame from backend to guest. A byte of ours behind the guest's buffers tells a frame that
 * didn't fit. */
static enum recv_result recv_frame(struct net *net, const struct virtq_chain *chain, uint32_t *len)
{
	struct virtio_net_hdr_v1 theirs, ours = { .num_buffers = 1 };
	const struct iovec *in = virtq_writable(chain);
	uint32_t room = num_min_u32(chain->writable_len - NET_HDR_LEN, NET_MAX_FRAME_LEN);
	struct iovec iov[NET_MAX_IOVS] = { { .iov_base = &theirs, .iov_len = sizeof(theirs) } };
	uint32_t n = 1 + virtq_slice(in, chain->n_writable, NET_HDR_LEN, room, iov + 1);
	uint8_t spill;
	ssize_t got;

	iov[n++] = (struct iovec){ .iov_base = &spill, .iov_len = sizeof(spill) };
	got = net->backend->recv(net->ctx, iov, (int)n);
	if (got < 0 && got != -EAGAIN)
		net->rx_starved = true; /* a tap that is gone is always readable */
	if (got <= 0)
		return RECV_NONE;
	if (got < NET_HDR_LEN + NET_MIN_FRAME_LEN || got > (ssize_t)(NET_HDR_LEN + room))
		return RECV_DROPPED;
	virtq_copy_in(in, chain->n_writable, 0, &ours, sizeof(ours));
	*len = (uint32_t)got;
	return RECV_FRAME;
}

/* False: no buffer, no frame, or the device failed. */
static bool rx_once(struct net *net, uint32_t *n_pushed)
{
	struct virtq *q = &net->dev.queues[NET_QUEUE_RX];
	struct virtq_chain chain;
	enum recv_result result;
	uint32_t len;

	if (!virtio_dev_pop(&net->dev, NET_QUEUE_RX, &chain)) {
		net->rx_starved = true;
		return false;
	}
	if (chain.writable_len < NET_HDR_LEN + NET_MIN_FRAME_LEN) {
		virtio_dev_fail(&net->dev);
		return false;
	}
	result = recv_frame(net, &chain, &len);
	if (result != RECV_FRAME) {
		net->n_rx_dropped += result == RECV_DROPPED;
		virtq_unpop(q, 1);
		return result == RECV_DROPPED;
	}
	virtq_push(q, net->dev.mem, chain.head, len);
	(*n_pushed)++;
	return true;
}

void net_rx(struct net *net)
{
	uint32_t n_pushed = 0;

	for (uint32_t i = 0; i < VIRTIO_BATCH && rx_once(net, &n_pushed); i++)
		;
	if (n_pushed > 0)
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
	return false;
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_NET,
	.n_queues = 2,
	.queue_max = { [NET_QUEUE_RX] = NET_QUEUE_SIZE, [NET_QUEUE_TX] = NET_QUEUE_SIZE },
	.config_len = sizeof(((struct net *)0)->mac),
	.config_read = config_read,
	.kick = kick,
};

void net_init(struct net *net, const struct mem *mem, struct virtio_irq irq,
	      const struct net_backend *backend, void *ctx, const uint8_t mac[6])
{
	*net = (struct net){ .backend = backend, .ctx = ctx };
	memcpy(net->mac, mac, sizeof(net->mac));
	virtio_dev_init(&net->dev, &model, mem, irq, 1ull << VIRTIO_NET_F_MAC);
}
