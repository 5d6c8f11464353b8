/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/virtio/device.h"

/* An entropy device (virtio 1.2 §5.4). */
#define RNG_QUEUE_SIZE 16
#define RNG_MAX_FILL   4096 /* bytes given to one request, however much it asks for */

struct rng_backend {
	ssize_t (*fill)(void *ctx, const struct iovec *iov,
			int n); /* I/O thread; bytes, or -errno */
};

struct rng {
	struct virtio_dev dev;
	const struct rng_backend *backend;
	void *ctx;
};

void rng_init(struct rng *rng, const struct mem *mem, struct virtio_irq irq,
	      const struct rng_backend *backend, void *ctx);

#endif
