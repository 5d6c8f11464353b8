/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
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

static ssize_t move(const struct iovec *iov, int n, uint64_t offset, bool to_disk)
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

static ssize_t disk_preadv(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	assert_ptr_equal(ctx, disk);
	return move(iov, n, offset, false);
}

static ssize_t disk_pwritev(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	assert_ptr_equal(ctx, disk);
	return move(iov, n, offset, true);
}

static int disk_flush(void *ctx)
{
	assert_ptr_equal(ctx, disk);
	n_flushes++;
	return host_error;
}

static int disk_zero(void *ctx, uint64_t offset, uint64_t len, bool unmap)
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

static int start(bool read_only, uint64_t features)
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

static int setup(void **state)
{
	(void)state;
	return start(false, 1ull << VIRTIO_BLK_F_FLUSH);
}

static int setup_read_only(void **state)
{
	(void)state;
	return start(true, 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_RO);
}

static int setup_no_flush(void **state)
{
	(void)state;
	return start(false, 0);
}

#define F_ZERO (1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES)

static int setup_zero(void **state)
{
	(void)state;
	return start(false, 1ull << VIRTIO_BLK_F_FLUSH | F_ZERO);
}

static int setup_zero_no_flush(void **state)
{
	(void)state;
	return start(false, F_ZERO);
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

/* One request over len bytes at data; its status. */
static uint8_t request(uint32_t type, uint64_t sector, gpa_t data, uint32_t len)
{
	const struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };
	gpa_t head_gpa = driver_bytes(&d, &hdr, sizeof(hdr)), status = driver_alloc(&d, 1);
	bool in = type != VIRTIO_BLK_T_OUT;
	uint16_t head;

	*(uint8_t *)driver_ptr(&d, status, 1) = BEYOND;
	head = ADD(&d, 0, { head_gpa, sizeof(hdr), false }, { data, len, in }, { status, 1, true });
	assert_false(driver_kick(&d, 0));
	driver_expect(&d, 0, head, in ? len + 1 : 1);
	assert_true(virtio_dev_active(&blk.dev));
	return *(uint8_t *)driver_ptr(&d, status, 1);
}

static void configuration(void **state)
{
	uint64_t capacity;

	(void)state;
	mmio_read(&d.mmio, 0x100, &capacity, 8);
	assert_int_equal(capacity, SECTORS); /* the broken sector behind them isn't counted */
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_ID), 2);
	assert_int_equal(blk.dev.features & 1ull << VIRTIO_BLK_F_RO, 0);
	mmio_read(&d.mmio, 0x100 + offsetof(struct virtio_blk_config, seg_max), &capacity, 4);
	assert_int_equal((uint32_t)capacity, BLK_SEG_MAX);
	mmio_read(&d.mmio, 0x100 + offsetof(struct virtio_blk_config, blk_size), &capacity, 4);
	assert_int_equal((uint32_t)capacity, 512);
	assert_int_equal(blk.dev.n_guest_errors, 0);
}

static void reads(void **state)
{
	gpa_t data = driver_alloc(&d, DISK_LEN);

	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, DISK_LEN), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_ptr(&d, data, DISK_LEN), disk, DISK_LEN);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 3, data, 512), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_ptr(&d, data, 512), disk + 3 * 512, 512);
	assert_int_equal(d.n_irqs, 2);
}

/* Header and status split, data in odd pieces: the layout of buffers is the driver's choice. */
static void any_layout(void **state)
{
	const struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_IN, .sector = 1 };
	gpa_t h = driver_bytes(&d, &hdr, sizeof(hdr)), data = driver_alloc(&d, 1025);
	uint16_t head = ADD(&d, 0, { h, 3, false }, { h + 3, 13, false }, { data, 1, true },
			    { data + 1, 600, true }, { data + 601, 424, true });

	(void)state;
	*(uint8_t *)driver_ptr(&d, data + 1024, 1) = BEYOND;
	driver_kick(&d, 0);
	driver_expect(&d, 0, head, 1025);
	assert_memory_equal(driver_ptr(&d, data, 1024), disk + 512, 1024);
	assert_int_equal(*(uint8_t *)driver_ptr(&d, data + 1024, 1), VIRTIO_BLK_S_OK);
}

static void writes(void **state)
{
	gpa_t data = driver_alloc(&d, 1024);

	(void)state;
	memset(driver_ptr(&d, data, 1024), 'w', 1024);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 2, data, 1024), VIRTIO_BLK_S_OK);
	assert_int_equal(disk[1023], 16 + 1023 % 13);
	assert_int_equal(disk[1024], 'w');
	assert_int_equal(disk[DISK_LEN - 1], 'w');
	assert_int_equal(n_flushes, 0);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, data, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(n_flushes, 1);
}

static void write_through_without_flush(void **state)
{
	gpa_t data = driver_alloc(&d, 512);

	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(n_flushes, 1);
}

static void ids(void **state)
{
	gpa_t data = driver_alloc(&d, 32);

	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, data, 20), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_ptr(&d, data, 20), "12345678901234567890", 20);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, data, 0), VIRTIO_BLK_S_OK);
	memset(driver_ptr(&d, data, 32), 'x', 32);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, data, 5), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_ptr(&d, data, 6), "12345x", 6);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, data, 32), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_ptr(&d, data + 20, 12), "xxxxxxxxxxxx", 12);
}

static void ranges(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = {
		{ SECTORS, 512 },
		{ SECTORS - 1, 1024 },
		{ 0, DISK_LEN + 512 },
		{ SECTORS + 1, 0 },
		{ UINT64_MAX, 512 },
		{ UINT64_MAX / 512, 512 },     /* sector * 512 just fits */
		{ UINT64_MAX / 512 + 1, 512 }, /* is 0 modulo 2^64 */
		{ UINT64_MAX / 512 + 2, 512 },
		{ 1ull << 63, 512 },
		{ 0, 1 },
		{ 0, 511 },
		{ 0, 513 },
	};
	gpa_t data = driver_alloc(&d, DISK_LEN + 512);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(request(VIRTIO_BLK_T_IN, bad[i].sector, data, bad[i].len),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, bad[i].sector, data, bad[i].len),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(n_calls, 0);
	assert_int_equal(blk.n_io_errors, 2 * ARRAY_SIZE(bad));
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS - 1, data, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS, data, 0), VIRTIO_BLK_S_OK);
}

static void read_only(void **state)
{
	gpa_t data = driver_alloc(&d, 512);

	(void)state;
	assert_true((blk.dev.features & 1ull << VIRTIO_BLK_F_RO) != 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(n_calls, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_OK);
}

static void unknown_types(void **state)
{
	static const uint32_t types[] = { 2,  3,  5,  7,  9,	      10,	 11,
					  12, 13, 14, 24, 0x80000000, UINT32_MAX };
	gpa_t data = driver_alloc(&d, 512);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(request(types[i], 0, data, 512), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(n_calls, 0);
}

/* ---- discard and write zeroes ---- */

#define DISCARD VIRTIO_BLK_T_DISCARD
#define ZEROES	VIRTIO_BLK_T_WRITE_ZEROES
#define UNMAP	VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

/* A request whose data is len bytes at segs; its status. */
static uint8_t zero_raw(uint32_t type, const void *segs, uint32_t len)
{
	const struct virtio_blk_outhdr hdr = { .type = type };
	gpa_t head_gpa = driver_bytes(&d, &hdr, sizeof(hdr)), status = driver_alloc(&d, 1);
	gpa_t data = len > 0 ? driver_bytes(&d, segs, len) : head_gpa;
	uint16_t head;

	*(uint8_t *)driver_ptr(&d, status, 1) = BEYOND;
	head = ADD(&d, 0, { head_gpa, sizeof(hdr), false }, { data, len, false },
		   { status, 1, true });
	assert_false(driver_kick(&d, 0));
	driver_expect(&d, 0, head, 1);
	assert_true(virtio_dev_active(&blk.dev));
	return *(uint8_t *)driver_ptr(&d, status, 1);
}

static uint8_t zero(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes seg = { sector, n, flags };

	return zero_raw(type, &seg, sizeof(seg));
}

static bool is_zero(uint32_t sector)
{
	for (uint32_t i = 0; i < 512; i++) {
		if (disk[sector * 512 + i] != 0)
			return false;
	}
	return true;
}

static void zero_configuration(void **state)
{
	struct virtio_blk_config config = { 0 };

	(void)state;
	for (uint32_t i = 0; i < blk.dev.model->config_len; i += 4)
		mmio_read(&d.mmio, 0x100 + i, (uint8_t *)&config + i, 4);
	assert_int_equal(config.max_discard_sectors, BLK_ZERO_MAX_SECTORS);
	assert_int_equal(config.max_discard_seg, BLK_ZERO_MAX_SEGS);
	assert_int_equal(config.discard_sector_alignment, BLK_ZERO_ALIGN);
	assert_int_equal(config.max_write_zeroes_sectors, BLK_ZERO_MAX_SECTORS);
	assert_int_equal(config.max_write_zeroes_seg, BLK_ZERO_MAX_SEGS);
	assert_int_equal(config.write_zeroes_may_unmap, 1);
	assert_true((blk.dev.features & F_ZERO) == F_ZERO);
}

static void zeroes_ranges(void **state)
{
	const struct virtio_blk_discard_write_zeroes two[] = { { 0, 1, 0 }, { 3, 1, 0 } };

	(void)state;
	assert_int_equal(zero(DISCARD, 1, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(n_unmaps, 1);
	assert_true(!is_zero(0) && is_zero(1) && !is_zero(2));
	assert_int_equal(zero(ZEROES, 2, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(n_unmaps, 1);
	assert_true(!is_zero(0) && is_zero(2) && !is_zero(3));
	assert_int_equal(zero_raw(DISCARD, two, sizeof(two)), VIRTIO_BLK_S_OK);
	assert_true(is_zero(0) && is_zero(3));
	assert_int_equal(zero(ZEROES, 0, SECTORS, UNMAP), VIRTIO_BLK_S_OK);
	assert_int_equal(n_unmaps, 4);
	assert_int_equal(n_flushes, 0);
	assert_int_equal(zero(ZEROES, SECTORS, 0, 0), VIRTIO_BLK_S_OK); /* nothing, at the end */
	assert_int_equal(n_calls, 5);
}

static void zero_refusals(void **state)
{
	static struct virtio_blk_discard_write_zeroes many[BLK_ZERO_MAX_SEGS + 1];
	const struct virtio_blk_discard_write_zeroes last_bad[] = { { 0, 1, 0 }, { 3, 2, 0 } };
	static const struct {
		uint64_t sector;
		uint32_t n, flags;
		uint8_t status;
	} bad[] = {
		{ SECTORS, 1, 0, VIRTIO_BLK_S_IOERR },
		{ 0, SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
		{ SECTORS + 1, 0, 0, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX, 1, 0, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX / 512 + 1, 1, 0, VIRTIO_BLK_S_IOERR },
		{ 0, BLK_ZERO_MAX_SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
		{ 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR },
		{ 0, 1, 2, VIRTIO_BLK_S_UNSUPP },
		{ 0, 1, 0x80000000, VIRTIO_BLK_S_UNSUPP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(zero(DISCARD, bad[i].sector, bad[i].n, bad[i].flags),
				 bad[i].status);
		assert_int_equal(zero(ZEROES, bad[i].sector, bad[i].n, bad[i].flags),
				 bad[i].status);
	}
	assert_int_equal(zero(DISCARD, 0, 1, UNMAP), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(ZEROES, 0, 1, UNMAP | 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero_raw(DISCARD, many, sizeof(many)), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero_raw(DISCARD, many, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero_raw(DISCARD, many, 15), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero_raw(DISCARD, many, 17), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero_raw(DISCARD, last_bad, sizeof(last_bad)), VIRTIO_BLK_S_IOERR);
	assert_int_equal(n_calls, 0); /* all segments are judged before the first is done */
}

static void zero_host_errors(void **state)
{
	(void)state;
	host_error = -ENOSPC;
	assert_int_equal(zero(ZEROES, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	host_error = -EIO;
	assert_int_equal(zero(DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk.n_io_errors, 2);
	host_error = -EOPNOTSUPP;
	assert_int_equal(zero(DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
}

static void zero_through_without_flush(void **state)
{
	(void)state;
	assert_int_equal(zero(DISCARD, 0, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(n_flushes, 1);
}

/* Not offered, so nothing that a driver may use. */
static void zero_read_only(void **state)
{
	(void)state;
	assert_true((blk.dev.features & F_ZERO) == 0);
	assert_int_equal(zero(DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(ZEROES, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(n_calls, 0);
}

static void host_errors(void **state)
{
	static const int errors[] = { -EIO, -ENOSPC, -EINTR, 0 /* nothing moved */, 511 };
	gpa_t data = driver_alloc(&d, 512);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		host_error = errors[i] == 0 ? 1 : errors[i];
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 512), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, data, 0), VIRTIO_BLK_S_IOERR);
	}
	host_error = 0;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_OK);
}

static void malformed(void **state)
{
	const struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_IN };
	const struct {
		uint32_t hdr_len;
		uint32_t writable_len;
	} bad[] = { { 0, 513 }, { 15, 513 }, { 16, 0 }, { 0, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		gpa_t h = driver_bytes(&d, &hdr, sizeof(hdr)), data = driver_alloc(&d, 513);

		ADD(&d, 0, { h, bad[i].hdr_len, false }, { data, bad[i].writable_len, true });
		driver_kick(&d, 0);
		driver_expect_nothing(&d, 0);
		driver_expect_failed(&d);
		driver_start(&d, &blk.dev, F_BASE, 16);
	}
	/* status where only the device may read */
	ADD(&d, 0, { 0x800, 16, false }, { 0x900, 512, false }, { 0xa00, 1, false });
	driver_kick(&d, 0);
	driver_expect_failed(&d);
	assert_int_equal(n_calls, 0);
}

static void a_broken_chain_behind_good_ones(void **state)
{
	const struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_GET_ID };
	gpa_t h = driver_bytes(&d, &hdr, sizeof(hdr)), data = driver_alloc(&d, 21);
	uint16_t head = ADD(&d, 0, { h, 16, false }, { data, 21, true });

	(void)state;
	driver_offer(&d, 0, 999);
	assert_false(driver_kick(&d, 0));
	driver_expect(&d, 0, head, 21);
	driver_expect_failed(&d);
	assert_false(blk.dev.model->kick(&blk.dev, 0)); /* a late ioeventfd */
}

/* A ring that is refilled while it is served still ends the call. */
static ssize_t storm_preadv(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	(void)ctx;
	(void)iov;
	(void)n;
	(void)offset;
	n_calls++;
	driver_offer(&d, 0, 0);
	return 512;
}

static void storm(void **state)
{
	const struct blk_backend storming = { .preadv = storm_preadv };
	const struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_IN };
	gpa_t h = driver_bytes(&d, &hdr, sizeof(hdr)), data = driver_alloc(&d, 513);

	(void)state;
	blk.backend = &storming;
	ADD(&d, 0, { h, 16, false }, { data, 513, true });
	assert_true(driver_kick(&d, 0));
	assert_int_equal(n_calls, VIRTIO_BATCH);
	assert_int_equal(d.n_irqs, 1);
	assert_true(blk.dev.model->kick(&blk.dev, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define Z(f) cmocka_unit_test_setup_teardown(f, setup_zero, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(configuration),
		T(reads),
		T(any_layout),
		T(writes),
		cmocka_unit_test_setup_teardown(write_through_without_flush, setup_no_flush,
						teardown),
		T(ids),
		T(ranges),
		cmocka_unit_test_setup_teardown(read_only, setup_read_only, teardown),
		T(unknown_types),
		T(host_errors),
		Z(zero_configuration),
		Z(zeroes_ranges),
		Z(zero_refusals),
		Z(zero_host_errors),
		cmocka_unit_test_setup_teardown(zero_through_without_flush, setup_zero_no_flush,
						teardown),
		cmocka_unit_test_setup_teardown(zero_read_only, setup_read_only, teardown),
		T(malformed),
		T(a_broken_chain_behind_good_ones),
		T(storm),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
