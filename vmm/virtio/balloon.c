/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A balloon. Page numbers come one by one, mostly in order or against it: neighbours are given back in one go. */
#include "vmm/virtio/balloon.h"

#include <assert.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "base/num.h"

static_assert(offsetof(struct balloon, dev) == 0, "the device is its first member");
static_assert(BALLOON_PAGE_LEN == 1u << VIRTIO_BALLOON_PFN_SHIFT, "virtio 1.2 §5.5.6");

#define CONFIG_LEN offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

static void config_read(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len)
{
	const struct balloon *balloon = (const struct balloon *)dev;
	const struct virtio_balloon_config config = {
		.num_pages = balloon->target_pages,
		.actual = balloon->actual_pages,
	};

	memcpy(out, (const uint8_t *)&config + offset, len);
}

static bool config_write(struct virtio_dev *dev, uint32_t offset, const void *data, uint32_t len)
{
	struct balloon *balloon = (struct balloon *)dev;

	if (offset != offsetof(struct virtio_balloon_config, actual) ||
	    len != sizeof(balloon->actual_pages))
		return false;
	memcpy(&balloon->actual_pages, data, len);
	return true;
}

static void release(struct balloon *balloon, void *at, uint64_t len)
{
	if (at != NULL && balloon->backend->release(balloon->ctx, at, len))
		balloon->n_released += len;
}

/* Pages [start, end) that are still to be given back. */
struct run {
	gpa_t start, end;
};

static void run_release(struct balloon *balloon, const struct run *run)
{
	uint64_t len = run->end - run->start;

	release(balloon, mem_ptr(balloon->dev.mem, run->start, len), len);
}

static void run_add(struct balloon *balloon, struct run *run, gpa_t page)
{
	if (page == run->end) {
		run->end += BALLOON_PAGE_LEN;
	} else if (page + BALLOON_PAGE_LEN == run->start) {
		run->start = page;
	} else {
		run_release(balloon, run);
		*run = (struct run){ page, page + BALLOON_PAGE_LEN };
	}
}

static int64_t inflate(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	struct balloon *balloon = (struct balloon *)dev;
	uint32_t pfns[256], n, len = chain->readable_len;
	struct run run = { 0, 0 };

	if (len % sizeof(pfns[0]) != 0 || len > BALLOON_MAX_PFNS * sizeof(pfns[0]))
		return VIRTIO_FAULT;
	for (uint32_t done = 0; done < len; done += n * (uint32_t)sizeof(pfns[0])) {
		n = (uint32_t)(virtq_copy_out(virtq_readable(chain), chain->n_readable, done, pfns,
					      num_min_u32(len - done, sizeof(pfns))) /
			       sizeof(pfns[0]));
		for (uint32_t i = 0; i < n; i++) {
			gpa_t page = (gpa_t)pfns[i] * BALLOON_PAGE_LEN;

			if (mem_ptr(dev->mem, page, BALLOON_PAGE_LEN) == NULL)
				return VIRTIO_FAULT;
			run_add(balloon, &run, page);
		}
	}
	run_release(balloon, &run);
	return 0;
}

/* Pages that leave the balloon come back when they are touched. */
static int64_t deflate(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	(void)dev;
	(void)chain;
	return 0;
}

/* The buffers themselves are the pages (virtio 1.2 §5.5.6.7); a part of a page stays. */
static int64_t report(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	const struct iovec *iov = virtq_writable(chain);

	for (uint32_t i = 0; i < chain->n_writable; i++) {
		uint64_t before = -(uintptr_t)iov[i].iov_base % BALLOON_PAGE_LEN;
		uint64_t len = iov[i].iov_len < before ? 0 : iov[i].iov_len - before;

		len -= len % BALLOON_PAGE_LEN;
		if (len > 0)
			release((struct balloon *)dev, (uint8_t *)iov[i].iov_base + before, len);
	}
	return 0;
}

static bool kick(struct virtio_dev *dev, uint32_t q)
{
	static virtio_serve_fn *const serve[] = { [BALLOON_QUEUE_INFLATE] = inflate,
						  [BALLOON_QUEUE_DEFLATE] = deflate,
						  [BALLOON_QUEUE_REPORTING] = report };

	return virtio_dev_serve(dev, q, serve[q]);
}

static void reset(struct virtio_dev *dev)
{
	((struct balloon *)dev)->actual_pages = 0;
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_BALLOON,
	.n_queues = 3,
	.queue_max = { BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE },
	.config_len = CONFIG_LEN,
	.config_read = config_read,
	.config_write = config_write,
	.kick = kick,
	.reset = reset,
};

void balloon_init(struct balloon *balloon, const struct mem *mem, struct virtio_irq irq,
		  const struct balloon_backend *backend, void *ctx)
{
	*balloon = (struct balloon){ .backend = backend, .ctx = ctx };
	virtio_dev_init(&balloon->dev, &model, mem, irq,
			1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
				1ull << VIRTIO_BALLOON_F_REPORTING);
}

void balloon_set_target(struct balloon *balloon, uint64_t bytes)
{
	const struct mem *mem = balloon->dev.mem;
	uint64_t ram = 0;

	for (uint32_t i = 0; i < mem->n_regions; i++)
		ram += mem->regions[i].len;
	balloon->target_pages = (uint32_t)(num_min_u64(bytes, ram) / BALLOON_PAGE_LEN);
	virtio_dev_config_changed(&balloon->dev);
}
