/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/virtio/device.h"

/* A disk (virtio 1.2 §5.2): read, write, flush, get-id, discard, write zeroes; synchronous. */
#define BLK_QUEUE_SIZE 128
#define BLK_SEG_MAX    (BLK_QUEUE_SIZE - 2) /* beside header and status */

/* What one discard or write zeroes may ask for: the host's work on it is done in one go. */
#define BLK_ZERO_MAX_SEGS    16
#define BLK_ZERO_MAX_SECTORS 0x40000 /* 128 MiB a segment */
#define BLK_ZERO_ALIGN	     8	     /* in sectors; holes are made of whole pages */

/* I/O thread only. The range lies within the capacity. preadv and pwritev move all bytes and return
 * their number, or -errno; fewer bytes are an I/O error to the guest. They may return fewer only
 * when the host can't do better. */
struct blk_backend {
	ssize_t (*preadv)(void *ctx, const struct iovec *iov, int n, uint64_t offset);
	ssize_t (*pwritev)(void *ctx, const struct iovec *iov, int n, uint64_t offset);
	int (*flush)(void *ctx); /* 0 or -errno: what was written is on stable storage */
	/* From now on the range reads as zeroes. unmap: the host has its space back; else the space
	 * stays reserved. 0 or -errno (-EOPNOTSUPP: it can't, the guest is to write zeroes). */
	int (*zero)(void *ctx, uint64_t offset, uint64_t len, bool unmap);
};

struct blk_config {
	uint64_t capacity_bytes; /* the part beyond the last whole sector of 512 isn't reachable */
	bool read_only;
	char id[20]; /* VIRTIO_BLK_ID_BYTES; NUL-padded, not terminated when full */
};

struct blk {
	struct virtio_dev dev;
	const struct blk_backend *backend;
	void *ctx;
	uint64_t capacity; /* in sectors of 512 */
	bool read_only;
	char id[20];
	uint64_t n_io_errors; /* requests answered with S_IOERR */
};

void blk_init(struct blk *blk, const struct mem *mem, struct virtio_irq irq,
	      const struct blk_backend *backend, void *ctx, const struct blk_config *config);

#endif
