/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A disk: discard and write zeroes. */
#include "tests/unit/support/disk.h"

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

static int setup_read_only(void **state)
{
	(void)state;
	return start(true, 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_RO);
}

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

#define Z(f) cmocka_unit_test_setup_teardown(f, setup_zero, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		Z(zero_configuration),
		Z(zeroes_ranges),
		Z(zero_refusals),
		Z(zero_host_errors),
		cmocka_unit_test_setup_teardown(zero_through_without_flush, setup_zero_no_flush,
						teardown),
		cmocka_unit_test_setup_teardown(zero_read_only, setup_read_only, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("blk-zero", tests, NULL, NULL);
}
