/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What all device models share. */
#include "vmm/virtio/device.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "base/bug.h"

void virtio_dev_init(struct virtio_dev *dev, const struct virtio_model *model,
		     const struct mem *mem, struct virtio_irq irq, uint64_t features)
{
	BUG_ON(model->n_queues > VIRTIO_MAX_QUEUES || (model->needs & ~features) != 0);
	*dev = (struct virtio_dev){
		.model = model,
		.mem = mem,
		.irq = irq,
		.features = features | 1ull << VIRTIO_F_VERSION_1 |
			    1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX,
	};
	for (uint32_t q = 0; q < model->n_queues; q++) {
		BUG_ON(model->queue_max[q] > VIRTQ_MAX_SIZE);
		dev->queues[q].max = model->queue_max[q];
	}
}

bool virtio_dev_active(const struct virtio_dev *dev)
{
	uint32_t stopped = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

	return (dev->status & (VIRTIO_CONFIG_S_DRIVER_OK | stopped)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

static void raise_irq(struct virtio_dev *dev, uint32_t cause)
{
	dev->interrupt_status |= cause;
	dev->irq.raise(dev->irq.ctx);
}

void virtio_dev_fail(struct virtio_dev *dev)
{
	dev->n_guest_errors++;
	if (!virtio_dev_active(dev))
		return;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	raise_irq(dev, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_dev_config_changed(struct virtio_dev *dev)
{
	dev->config_generation++;
	if (virtio_dev_active(dev))
		raise_irq(dev, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_dev_notify(struct virtio_dev *dev, uint32_t q)
{
	if (virtq_wants_interrupt(&dev->queues[q], dev->mem))
		raise_irq(dev, VIRTIO_MMIO_INT_VRING);
}

bool virtio_dev_is_held(const struct virtio_dev *dev, uint32_t q)
{
	return dev->limits[q] != NULL && !bucket_is_open(dev->limits[q]);
}

bool virtio_dev_pop(struct virtio_dev *dev, uint32_t q, struct virtq_chain *chain)
{
	enum virtq_result result;

	if (!virtio_dev_active(dev) || virtio_dev_is_held(dev, q))
		return false;
	result = virtq_pop(&dev->queues[q], dev->mem, chain);
	if (result == VIRTQ_BROKEN)
		virtio_dev_fail(dev);
	if (result == VIRTQ_CHAIN && dev->limits[q] != NULL)
		bucket_take(dev->limits[q], (uint64_t)chain->readable_len + chain->writable_len);
	return result == VIRTQ_CHAIN;
}

bool virtio_dev_serve(struct virtio_dev *dev, uint32_t q, virtio_serve_fn *serve)
{
	struct virtq_chain chain;
	uint32_t n = 0;

	while (n < VIRTIO_BATCH && virtio_dev_pop(dev, q, &chain)) {
		int64_t written = serve(dev, &chain);

		if (written == VIRTIO_FAULT) {
			virtio_dev_fail(dev);
			break;
		}
		virtq_push(&dev->queues[q], dev->mem, chain.head, (uint32_t)written);
		n++;
	}
	if (n > 0)
		virtio_dev_notify(dev, q);
	return n == VIRTIO_BATCH;
}
