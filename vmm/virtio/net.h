/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/virtio/device.h"

/*
 * A network card (virtio 1.2 §5.1): one receive and one transmit queue, a fixed MAC, no offloads.
 * Frames go straight between guest memory and the backend; the 12 byte struct virtio_net_hdr_v1 in
 * front of each is ours in both directions, never the guest's.
 */
#define NET_QUEUE_SIZE	  256
#define NET_QUEUE_RX	  0
#define NET_QUEUE_TX	  1
#define NET_HDR_LEN	  12
#define NET_MIN_FRAME_LEN 14
#define NET_MAX_FRAME_LEN 1518 /* MTU 1500, header, one VLAN tag */
#define NET_MAX_IOVS	  (VIRTQ_MAX_SEGS + 2)

/* I/O thread only; never blocks. Both move one frame behind its header of NET_HDR_LEN bytes (a tap
 * with IFF_VNET_HDR and TUNSETVNETHDRSZ 12). */
struct net_backend {
	ssize_t (*send)(void *ctx, const struct iovec *iov,
			int n); /* bytes, or -errno: the frame is lost */
	ssize_t (*recv)(void *ctx, const struct iovec *iov,
			int n); /* bytes with header, -EAGAIN: none there, else broken */
};

struct net {
	struct virtio_dev dev;
	const struct net_backend *backend;
	void *ctx;
	uint8_t mac[6];
	bool rx_starved; /* no buffer, or the backend is broken; and no kick came since */
	uint64_t n_rx_dropped;
	uint64_t n_tx_dropped;
};

void net_init(struct net *net, const struct mem *mem, struct virtio_irq irq,
	      const struct net_backend *backend, void *ctx, const uint8_t mac[6]);

/* The backend has frames: hand a bounded number of them to the guest. Called whenever it is
 * readable. */
void net_rx(struct net *net);

/* Whether to poll the backend for reading: not while the guest offers no buffer. Ask before each
 * poll. */
bool net_wants_rx(const struct net *net);

#endif
