/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_FUZZ_SUPPORT_BACKENDS_H
#define TESTS_FUZZ_SUPPORT_BACKENDS_H

/*
 * The host's side of the devices. Every byte that a model hands over is read or written, so that
 * the sanitizer sees it, what the model promises is checked, and the answer is the input's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/virtio_net.h>

#include "base/bug.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

#define DISK_LEN 4096

static const uint8_t *input;
static size_t input_len;
static bool slot_open[VSOCK_MAX_CONNS];

static uint8_t next(void)
{
	if (input_len == 0)
		return 0;
	input_len--;
	return *input++;
}

static uint64_t next_n(uint32_t n)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < n; i++)
		value |= (uint64_t)next() << (8 * i);
	return value;
}

static size_t total_len(const struct iovec *iov, int n)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* An answer of at most len: all, some, or an error. */
static ssize_t answer(size_t len)
{
	uint8_t how = next();

	if (how < 128)
		return (ssize_t)len;
	if (how < 192)
		return (ssize_t)(len * (how - 128u) / 64);
	return how < 224 ? -EAGAIN : -EIO;
}

static ssize_t take(const struct iovec *iov, int n)
{
	static uint8_t sum;

	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < iov[i].iov_len; k++)
			sum = (uint8_t)(sum + ((const uint8_t *)iov[i].iov_base)[k]);
	}
	return answer(total_len(iov, n));
}

static ssize_t give(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, 'g', iov[i].iov_len);
	return answer(total_len(iov, n));
}

/* A packet of up to 64 KiB, mostly a small one; what doesn't fit is lost. */
static ssize_t net_recv(void *ctx, const struct iovec *iov, int n)
{
	uint8_t how = next();
	size_t len = (how & 1) != 0 ? (size_t)next_n(2) + 64 : how * 8u, done = 0;

	(void)ctx;
	if (how >= 0xf8)
		return how >= 0xfc ? -EBADFD : -EAGAIN;
	for (int i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		memset(iov[i].iov_base, 'g', part);
		done += part;
	}
	return (ssize_t)done;
}

static void check_disk_range(const struct iovec *iov, int n, uint64_t offset)
{
	BUG_ON(offset > DISK_LEN || total_len(iov, n) > DISK_LEN - offset);
}

static ssize_t blk_give(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	(void)ctx;
	check_disk_range(iov, n, offset);
	return give(iov, n);
}

static ssize_t blk_take(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	(void)ctx;
	check_disk_range(iov, n, offset);
	return take(iov, n);
}

static int blk_flush(void *ctx)
{
	(void)ctx;
	return next() < 192 ? 0 : -EIO;
}

/* What the host's kernel may rely on. */
static void check_net_header(const struct virtio_net_hdr_v1 *hdr, uint32_t len)
{
	const uint32_t end = hdr->csum_start + hdr->csum_offset + 2u;

	BUG_ON((hdr->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 || hdr->num_buffers != 0);
	if (hdr->flags != 0)
		BUG_ON(end > len || hdr->csum_start < 34 ||
		       (hdr->csum_offset != 6 && hdr->csum_offset != 16));
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		BUG_ON(len > NET_MAX_FRAME_LEN || hdr->gso_size != 0);
	else
		BUG_ON(hdr->flags == 0 || hdr->gso_size == 0 || hdr->hdr_len > len ||
		       (hdr->gso_type != VIRTIO_NET_HDR_GSO_TCPV4 &&
			hdr->gso_type != VIRTIO_NET_HDR_GSO_TCPV6));
}

static int blk_zero(void *ctx, uint64_t offset, uint64_t len, bool unmap)
{
	(void)ctx;
	(void)unmap;
	BUG_ON(len == 0 || offset > DISK_LEN || len > DISK_LEN - offset);
	return next() < 192 ? 0 : next() < 128 ? -EOPNOTSUPP : -ENOSPC;
}

/* Whole pages; what was in them is gone. */
static bool balloon_release(void *ctx, void *at, uint64_t len)
{
	(void)ctx;
	BUG_ON((uintptr_t)at % BALLOON_PAGE_LEN != 0 || len == 0 || len % BALLOON_PAGE_LEN != 0);
	memset(at, 0, len);
	return next() < 192;
}

static ssize_t net_send(void *ctx, const struct iovec *iov, int n)
{
	size_t len = total_len(iov, n);

	(void)ctx;
	BUG_ON(len < NET_HDR_LEN + NET_MIN_FRAME_LEN || len > NET_MAX_PACKET_LEN);
	check_net_header(iov[0].iov_base, (uint32_t)(len - NET_HDR_LEN));
	return take(iov, n);
}

static void console_write(void *ctx, const struct iovec *iov, int n)
{
	(void)ctx;
	BUG_ON(total_len(iov, n) > CONSOLE_MAX_WRITE);
	take(iov, n);
}

static ssize_t rng_fill(void *ctx, const struct iovec *iov, int n)
{
	(void)ctx;
	BUG_ON(total_len(iov, n) > RNG_MAX_FILL);
	return give(iov, n);
}

static ssize_t vsock_give(void *ctx, uint32_t slot, const struct iovec *iov, int n)
{
	(void)ctx;
	BUG_ON(!slot_open[slot]);
	return give(iov, n);
}

static ssize_t vsock_take(void *ctx, uint32_t slot, const struct iovec *iov, int n)
{
	(void)ctx;
	BUG_ON(!slot_open[slot] || total_len(iov, n) == 0);
	return take(iov, n);
}

static void vsock_shutdown(void *ctx, uint32_t slot)
{
	(void)ctx;
	BUG_ON(!slot_open[slot]);
}

static void vsock_closed(void *ctx, uint32_t slot)
{
	(void)ctx;
	BUG_ON(!slot_open[slot]);
	slot_open[slot] = false;
}

#endif
