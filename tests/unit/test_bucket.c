/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Token buckets, and a device whose queue takes from one. */
#include "tests/unit/support/driver.h"

#include "base/bug.h"
#include "vmm/virtio/bucket.h"
#include "vmm/virtio/rng.h"

#define TICKS BUCKET_TICKS_PER_S

static struct bucket b;

static void init(uint64_t bytes, uint64_t burst, uint64_t ops, uint64_t burst_ops)
{
	bucket_init(&b, (struct bucket_rate){ bytes, burst },
		    (struct bucket_rate){ ops, burst_ops });
}

/* How many operations of len bytes pass at once. */
static unsigned int pass(uint64_t len)
{
	unsigned int n = 0;

	for (; bucket_is_open(&b) && n < 100000; n++)
		bucket_take(&b, len);
	return n;
}

/* Ticks until something may pass. */
static unsigned int wait_open(void)
{
	unsigned int n = 0;

	for (; !bucket_is_open(&b) && n < 100000000; n++)
		bucket_refill(&b, 1);
	return n;
}

static void no_limit(void **state)
{
	(void)state;
	init(0, 0, 0, 0);
	assert_false(bucket_is_limited(&b));
	bucket_take(&b, UINT64_MAX);
	bucket_refill(&b, UINT64_MAX);
	assert_true(bucket_is_open(&b));
	init(0, 5, 0, 5); /* a burst alone limits nothing */
	assert_false(bucket_is_limited(&b));
	assert_int_equal(pass(1000), 100000);
}

static void burst_then_rate(void **state)
{
	unsigned int n = 0;

	(void)state;
	init(1000, 5000, 0, 0);
	assert_true(bucket_is_limited(&b));
	assert_int_equal(pass(100), 50);
	for (int s = 0; s < 10 * TICKS; s++) {
		bucket_refill(&b, 1);
		n += pass(100);
	}
	assert_int_equal(n, 100); /* 10 s at 1000 bytes a second */
}

static void operations(void **state)
{
	(void)state;
	init(0, 0, 50, 10);
	assert_int_equal(pass(1 << 20), 10);
	bucket_refill(&b, TICKS / 10);
	assert_int_equal(pass(0), 5);
}

/* Each holds by itself. */
static void both(void **state)
{
	(void)state;
	init(1000, 1000, 10, 10);
	assert_int_equal(pass(10), 10);
	bucket_refill(&b, TICKS);
	assert_int_equal(pass(500), 2);
}

static void burst_of_one_second(void **state)
{
	(void)state;
	init(300, 0, 0, 0);
	assert_int_equal(pass(1), 300);
}

static void fills_no_higher_than_the_burst(void **state)
{
	(void)state;
	init(100, 200, 0, 0);
	bucket_refill(&b, 1000000);
	assert_int_equal(pass(1), 200);
	bucket_refill(&b, UINT64_MAX);
	assert_int_equal(pass(1), 200);
}

/* It passes when something is there, and what comes after it waits for all of it. */
static void larger_than_the_burst(void **state)
{
	(void)state;
	init(1000, 10, 0, 0);
	assert_int_equal(pass(5000), 1);
	assert_in_range(wait_open(), 5 * TICKS - 2, 5 * TICKS + 1);
	assert_int_equal(pass(5000), 1);
}

static void long_debts(void **state)
{
	(void)state;
	init(1, 1, 0, 0);
	bucket_take(&b, UINT64_MAX); /* counts as 2^40 */
	bucket_refill(&b, UINT64_C(1) << 45);
	assert_false(bucket_is_open(&b));
	bucket_refill(&b, UINT64_C(1) << 47);
	assert_true(bucket_is_open(&b));
}

static void extreme_rates(void **state)
{
	(void)state;
	init(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	assert_int_equal(pass(UINT64_MAX), 1);
	assert_int_equal(wait_open(), 1);
	init(UINT64_MAX, 1, 1, UINT64_MAX);
	assert_int_equal(pass(1000), 1);
	bucket_refill(&b, UINT64_MAX);
	assert_true(bucket_is_open(&b));
}

/* Less than a token a tick adds up. */
static void slow_rates(void **state)
{
	(void)state;
	init(1, 1, 0, 0);
	assert_int_equal(pass(1), 1);
	assert_int_equal(wait_open(), 1); /* a part of a token opens it, the rest is debt */
	assert_int_equal(pass(1), 1);
	assert_int_equal(wait_open(), TICKS);
}

/* ---- a queue ---- */

static ssize_t fill(void *ctx, const struct iovec *iov, int n)
{
	(void)ctx;
	(void)n;
	return (ssize_t)iov[0].iov_len;
}

static const struct rng_backend backend = { .fill = fill };

static void held_queue(void **state)
{
	struct driver d;
	struct rng rng;
	uint16_t heads[3];

	(void)state;
	init(1000, 150, 0, 0);
	driver_init(&d);
	rng_init(&rng, &d.mem, driver_irq(&d), &backend, NULL);
	rng.dev.limits[0] = &b;
	driver_start(&d, &rng.dev, F_BASE, 16);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		heads[i] = ADD(&d, 0, { driver_alloc(&d, 100), 100, true });
	assert_false(driver_kick(&d, 0));
	driver_expect(&d, 0, heads[0], 100);
	driver_expect(&d, 0, heads[1], 100);
	driver_expect_nothing(&d, 0);
	assert_true(virtio_dev_is_held(&rng.dev, 0));
	assert_int_equal(d.n_irqs, 1); /* for the two, before the wait */
	bucket_refill(&b, 6);
	assert_false(virtio_dev_is_held(&rng.dev, 0));
	assert_false(rng.dev.model->kick(&rng.dev, 0));
	driver_expect(&d, 0, heads[2], 100);
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	assert_ptr_equal(rng.dev.limits[0], &b); /* not the driver's to lose */
	driver_fini(&d);
}

#define T(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_limit),
		T(burst_then_rate),
		T(operations),
		T(both),
		T(burst_of_one_second),
		T(fills_no_higher_than_the_burst),
		T(larger_than_the_burst),
		T(long_debts),
		T(extreme_rates),
		T(slow_rates),
		T(held_queue),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
