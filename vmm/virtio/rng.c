/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* An entropy device: the smallest there is. */
#include "vmm/virtio/rng.h"

#include <assert.h>
#include <linux/virtio_ids.h>

#include "base/bug.h"

static_assert(offsetof(struct rng, dev) == 0, "the device is its first member");

static int64_t serve(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	struct rng *rng = (struct rng *)dev;
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint32_t n = virtq_slice(virtq_writable(chain), chain->n_writable, 0, RNG_MAX_FILL, iov);
	ssize_t got = n == 0 ? 0 : rng->backend->fill(rng->ctx, iov, (int)n);

	BUG_ON(got > RNG_MAX_FILL);
	return got < 0 ? 0 : got;
}

static bool kick(struct virtio_dev *dev, uint32_t q)
{
	return virtio_dev_serve(dev, q, serve);
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_RNG,
	.n_queues = 1,
	.queue_max = { RNG_QUEUE_SIZE },
	.kick = kick,
};

void rng_init(struct rng *rng, const struct mem *mem, struct virtio_irq irq,
	      const struct rng_backend *backend, void *ctx)
{
	*rng = (struct rng){ .backend = backend, .ctx = ctx };
	virtio_dev_init(&rng->dev, &model, mem, irq, 0);
}
