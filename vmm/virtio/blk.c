/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A disk. Each request is header (readable), data, one byte of status (the last writable one). */
#include "vmm/virtio/blk.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "base/num.h"

#define SECTOR_LEN 512u

static_assert(offsetof(struct blk, dev) == 0, "the device is its first member");
static_assert(sizeof(((struct blk *)0)->id) == VIRTIO_BLK_ID_BYTES, "size of the id");

static void config_read(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len)
{
	const struct blk *blk = (const struct blk *)dev;
	const struct virtio_blk_config config = {
		.capacity = blk->capacity,
		.seg_max = BLK_SEG_MAX,
		.blk_size = SECTOR_LEN,
		.max_discard_sectors = BLK_ZERO_MAX_SECTORS,
		.max_discard_seg = BLK_ZERO_MAX_SEGS,
		.discard_sector_alignment = BLK_ZERO_ALIGN,
		.max_write_zeroes_sectors = BLK_ZERO_MAX_SECTORS,
		.max_write_zeroes_seg = BLK_ZERO_MAX_SEGS,
		.write_zeroes_may_unmap = 1,
	};

	memcpy(out, (const uint8_t *)&config + offset, len);
}

/* Whole sectors within the disk. Counted in sectors, so nothing overflows. */
static bool range_ok(const struct blk *blk, uint64_t sector, uint32_t len)
{
	return len % SECTOR_LEN == 0 && num_range_ok(sector, len / SECTOR_LEN, blk->capacity);
}

static bool read_sectors(struct blk *blk, const struct virtq_chain *chain, uint64_t sector)
{
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint32_t len = chain->writable_len - 1;
	uint32_t n = virtq_slice(virtq_writable(chain), chain->n_writable, 0, len, iov);

	if (!range_ok(blk, sector, len))
		return false;
	return len == 0 ||
	       blk->backend->preadv(blk->ctx, iov, (int)n, sector * SECTOR_LEN) == (ssize_t)len;
}

static bool flush(struct blk *blk)
{
	return blk->backend->flush(blk->ctx) == 0;
}

/* A driver that can't flush expects each write to be stable (virtio 1.2 §5.2.6.2). */
static bool settle(struct blk *blk)
{
	return (blk->dev.driver_features & 1ull << VIRTIO_BLK_F_FLUSH) != 0 || flush(blk);
}

static bool write_sectors(struct blk *blk, const struct virtq_chain *chain, uint64_t sector)
{
	const uint32_t hdr_len = sizeof(struct virtio_blk_outhdr);
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint32_t len = chain->readable_len - hdr_len;
	uint32_t n = virtq_slice(virtq_readable(chain), chain->n_readable, hdr_len, len, iov);

	if (blk->read_only || !range_ok(blk, sector, len))
		return false;
	if (len > 0 &&
	    blk->backend->pwritev(blk->ctx, iov, (int)n, sector * SECTOR_LEN) != (ssize_t)len)
		return false;
	return settle(blk);
}

static bool get_id(struct blk *blk, const struct virtq_chain *chain)
{
	uint32_t len = num_min_u32(sizeof(blk->id), chain->writable_len - 1);

	virtq_copy_in(virtq_writable(chain), chain->n_writable, 0, blk->id, len);
	return true;
}

/* Whether a segment of a discard or write zeroes can be done, before any of them is. */
static uint8_t judge_segment(const struct blk *blk, uint32_t type,
			     const struct virtio_blk_discard_write_zeroes *seg)
{
	uint32_t known = type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if ((seg->flags & ~known) != 0)
		return VIRTIO_BLK_S_UNSUPP;
	if (seg->num_sectors > BLK_ZERO_MAX_SECTORS ||
	    !num_range_ok(seg->sector, seg->num_sectors, blk->capacity))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static uint8_t zero_segment(struct blk *blk, uint32_t type,
			    const struct virtio_blk_discard_write_zeroes *seg)
{
	bool unmap = type == VIRTIO_BLK_T_DISCARD || seg->flags != 0;
	int result = seg->num_sectors == 0
			     ? 0
			     : blk->backend->zero(blk->ctx, seg->sector * SECTOR_LEN,
						  (uint64_t)seg->num_sectors * SECTOR_LEN, unmap);

	if (result == 0)
		return VIRTIO_BLK_S_OK;
	return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* Discard and write zeroes: the data is a list of segments. What was discarded reads as zeroes, which is one of the
 * things that it may. */
static uint8_t zero_sectors(struct blk *blk, const struct virtq_chain *chain, uint32_t type)
{
	struct virtio_blk_discard_write_zeroes segs[BLK_ZERO_MAX_SEGS];
	uint32_t feature =
		type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES;
	uint32_t len = chain->readable_len - (uint32_t)sizeof(struct virtio_blk_outhdr);
	uint32_t n = len / (uint32_t)sizeof(segs[0]);
	uint8_t status = VIRTIO_BLK_S_OK;

	if ((blk->dev.driver_features & 1ull << feature) == 0)
		return VIRTIO_BLK_S_UNSUPP;
	if (n == 0 || n > BLK_ZERO_MAX_SEGS || len % sizeof(segs[0]) != 0)
		return VIRTIO_BLK_S_IOERR;
	virtq_copy_out(virtq_readable(chain), chain->n_readable, sizeof(struct virtio_blk_outhdr),
		       segs, len);
	for (uint32_t i = 0; i < n && status == VIRTIO_BLK_S_OK; i++)
		status = judge_segment(blk, type, &segs[i]);
	for (uint32_t i = 0; i < n && status == VIRTIO_BLK_S_OK; i++)
		status = zero_segment(blk, type, &segs[i]);
	return status != VIRTIO_BLK_S_OK || settle(blk) ? status : VIRTIO_BLK_S_IOERR;
}

static uint8_t execute(struct blk *blk, const struct virtq_chain *chain,
		       const struct virtio_blk_outhdr *hdr)
{
	uint8_t status;
	bool ok;

	switch (hdr->type) {
	case VIRTIO_BLK_T_IN:
		ok = read_sectors(blk, chain, hdr->sector);
		break;
	case VIRTIO_BLK_T_OUT:
		ok = write_sectors(blk, chain, hdr->sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		ok = flush(blk);
		break;
	case VIRTIO_BLK_T_GET_ID:
		ok = get_id(blk, chain);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		status = zero_sectors(blk, chain, hdr->type);
		blk->n_io_errors += status == VIRTIO_BLK_S_IOERR;
		return status;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
	blk->n_io_errors += !ok;
	return ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static int64_t serve(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	struct virtio_blk_outhdr hdr;
	uint8_t status;

	if (virtq_copy_out(virtq_readable(chain), chain->n_readable, 0, &hdr, sizeof(hdr)) !=
		    sizeof(hdr) ||
	    chain->writable_len == 0)
		return VIRTIO_FAULT;
	status = execute((struct blk *)dev, chain, &hdr);
	virtq_copy_in(virtq_writable(chain), chain->n_writable, chain->writable_len - 1, &status,
		      sizeof(status));
	return chain->writable_len;
}

static bool kick(struct virtio_dev *dev, uint32_t q)
{
	return virtio_dev_serve(dev, q, serve);
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_BLOCK,
	.n_queues = 1,
	.queue_max = { BLK_QUEUE_SIZE },
	.config_len = offsetof(struct virtio_blk_config, max_secure_erase_sectors),
	.config_read = config_read,
	.kick = kick,
};

void blk_init(struct blk *blk, const struct mem *mem, struct virtio_irq irq,
	      const struct blk_backend *backend, void *ctx, const struct blk_config *config)
{
	const uint64_t writable = 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	uint64_t features = 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_SEG_MAX |
			    1ull << VIRTIO_BLK_F_BLK_SIZE |
			    (config->read_only ? 1ull << VIRTIO_BLK_F_RO : writable);

	*blk = (struct blk){
		.backend = backend,
		.ctx = ctx,
		.capacity = config->capacity_bytes / SECTOR_LEN,
		.read_only = config->read_only,
	};
	memcpy(blk->id, config->id, sizeof(blk->id));
	virtio_dev_init(&blk->dev, &model, mem, irq, features);
}
