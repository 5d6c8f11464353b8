/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_UNIT_SUPPORT_DISK_H
#define TESTS_UNIT_SUPPORT_DISK_H

/* A disk of four sectors in an array. */
#include "tests/unit/support/driver.h"

#include <errno.h>
#include <linux/virtio_blk.h>

#include "base/bug.h"
#include "vmm/virtio/blk.h"

#define SECTORS	 4u
#define DISK_LEN (SECTORS * 512u)
#define BEYOND	 0x55

static struct driver d;
static struct blk blk;
static uint8_t disk[DISK_LEN];
static int host_error; /* what the backend answers instead of working */
static unsigned int n_calls, n_flushes, n_unmaps;

static inline ssize_t move(const struct iovec *iov, int n, uint64_t offset, bool to_disk)
{
	size_t done = 0;

	n_calls++;
	if (host_error != 0)
		return host_error;
	for (int i = 0; i < n; i++) {
		assert_true(offset + done + iov[i].iov_len <= DISK_LEN);
		memcpy(to_disk ? disk + offset + done : iov[i].iov_base,
		       to_disk ? iov[i].iov_base : disk + offset + done, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	return (ssize_t)done;
}

static inline ssize_t disk_preadv(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	assert_ptr_equal(ctx, disk);
	return move(iov, n, offset, false);
}

static inline ssize_t disk_pwritev(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	assert_ptr_equal(ctx, disk);
	return move(iov, n, offset, true);
}

static inline int disk_flush(void *ctx)
{
	assert_ptr_equal(ctx, disk);
	n_flushes++;
	return host_error;
}

static inline int disk_zero(void *ctx, uint64_t offset, uint64_t len, bool unmap)
{
	assert_ptr_equal(ctx, disk);
	assert_true(len > 0 && offset + len <= DISK_LEN);
	n_calls++;
	n_unmaps += unmap;
	if (host_error == 0)
		memset(disk + offset, 0, len);
	return host_error;
}

static const struct blk_backend backend = {
	.preadv = disk_preadv,
	.pwritev = disk_pwritev,
	.flush = disk_flush,
	.zero = disk_zero,
};

static inline int start(bool read_only, uint64_t features)
{
	struct blk_config config = { .capacity_bytes = DISK_LEN + 511, .read_only = read_only };

	memcpy(config.id, "12345678901234567890", 20);
	for (uint32_t i = 0; i < DISK_LEN; i++)
		disk[i] = (uint8_t)(i / 512 * 16 + i % 13);
	host_error = 0;
	n_calls = n_flushes = n_unmaps = 0;
	driver_init(&d);
	blk_init(&blk, &d.mem, driver_irq(&d), &backend, disk, &config);
	driver_start(&d, &blk.dev, F_BASE | features, 16);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

#endif
