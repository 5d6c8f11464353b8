/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_UNIT_SUPPORT_CARD_H
#define TESTS_UNIT_SUPPORT_CARD_H

/* A network card between the driver's side (driver.h) and a tap made of arrays. */
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

static inline int start(uint64_t features)
{
	const uint8_t mac[6] = { 2, 0, 0, 1, 2, 3 };

	sent_len = n_sent = n_waiting = 0;
	host_error = 0;
	driver_init(&d);
	net_init(&net, &d.mem, driver_irq(&d), &backend, sent, mac);
	driver_start(&d, &net.dev, features, 16);
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	return start(F_NET);
}

static inline int setup_all(void **state)
{
	(void)state;
	return start(F_NET | F_TX | F_MRG | F_RING);
}

static inline int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

#endif
