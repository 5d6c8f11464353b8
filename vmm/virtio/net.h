/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/virtio/device.h"

/*
 * A network card (virtio 1.2 §5.1): one receive and one transmit queue, a fixed MAC, checksum and
 * TCP segmentation left to the host both ways, receive buffers that merge. A packet is a struct
 * virtio_net_hdr_v1 and a frame behind it; frames go straight between guest memory and the backend.
 *
 * The backend hands over packets that rely on the receive offloads, and can't be told otherwise
 * once the guest runs: so a driver takes all of these or doesn't get the card (docs/decisions/008).
 */
#define NET_QUEUE_SIZE	   256
#define NET_QUEUE_RX	   0
#define NET_QUEUE_TX	   1
#define NET_HDR_LEN	   12
#define NET_MIN_FRAME_LEN  14
#define NET_MAX_FRAME_LEN  1518		/* MTU 1500, header, one VLAN tag */
#define NET_MAX_GSO_LEN	   (65535 + 18) /* of a frame that is yet to be cut into segments */
#define NET_MAX_PACKET_LEN (NET_HDR_LEN + NET_MAX_GSO_LEN)

/* I/O thread only; never blocks. Both move one packet (a tap with IFF_VNET_HDR and TUNSETVNETHDRSZ
 * 12). num_buffers is nothing to the backend. */
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
	bool rx_starved;   /* no buffer, or the backend is broken; and no kick came since */
	uint32_t rx_guess; /* length of the next packet from the backend, by those before it */
	uint32_t held_len; /* of a packet in spill that waits for buffers; 0: none */
	uint64_t n_rx_dropped;
	uint64_t n_tx_dropped;
	uint8_t spill[NET_MAX_PACKET_LEN +
		      1]; /* what of a packet goes beyond the buffers at hand */
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
