/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A disk: reads, writes, flushes, ids, and requests that are none. */
#include "tests/unit/support/disk.h"

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
		T(malformed),
		T(a_broken_chain_behind_good_ones),
		T(storm),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
