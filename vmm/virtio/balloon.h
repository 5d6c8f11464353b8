/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include "vmm/virtio/device.h"

/*
 * A balloon (virtio 1.2 §5.5): what the driver puts into it the host has back, until the guest touches it again. It
 * reports pages that it doesn't use, too, by itself. Deflates when the guest runs out of memory.
 * What a driver gives that isn't its to give up hurts nobody but its guest: released memory reads as zeroes.
 */
#define BALLOON_QUEUE_SIZE	32 /* a report has up to 32 ranges, and Linux wants that many entries */
#define BALLOON_QUEUE_INFLATE	0
#define BALLOON_QUEUE_DEFLATE	1
#define BALLOON_QUEUE_REPORTING 2 /* the next one after those that are there, as Linux counts */
#define BALLOON_PAGE_LEN	4096u
#define BALLOON_MAX_PFNS	4096u /* in one chain; Linux sends 256 */

struct balloon_backend {
	/* I/O thread; at: whole pages of guest memory, whose contents are lost. False: they stay. */
	bool (*release)(void *ctx, void *at, uint64_t len);
};

struct balloon {
	struct virtio_dev dev;
	const struct balloon_backend *backend;
	void *ctx;
	uint32_t target_pages; /* what the host wants in it */
	uint32_t actual_pages; /* what the driver says is in it */
	uint64_t n_released;   /* bytes, ever */
};

void balloon_init(struct balloon *balloon, const struct mem *mem, struct virtio_irq irq,
		  const struct balloon_backend *backend, void *ctx);

/* Ask the driver for so much of its memory in all; more than there is counts as all. I/O thread. */
void balloon_set_target(struct balloon *balloon, uint64_t bytes);

#endif
