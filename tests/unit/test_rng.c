/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "tests/unit/support/driver.h"

#include <errno.h>

#include "vmm/virtio/rng.h"

static struct driver d;
static struct rng rng;
static ssize_t answer; /* of the backend; 0: all that is asked for */
static size_t asked;

static ssize_t fill(void *ctx, const struct iovec *iov, int n)
{
	assert_ptr_equal(ctx, &asked);
	asked = 0;
	for (int i = 0; i < n; i++) {
		memset(iov[i].iov_base, 'r', iov[i].iov_len);
		asked += iov[i].iov_len;
	}
	return answer != 0 ? answer : (ssize_t)asked;
}

static const struct rng_backend backend = { .fill = fill };

static int setup(void **state)
{
	(void)state;
	answer = 0;
	asked = 0;
	driver_init(&d);
	rng_init(&rng, &d.mem, driver_irq(&d), &backend, &asked);
	driver_start(&d, &rng.dev, F_BASE, 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

static void fills(void **state)
{
	gpa_t a = driver_alloc(&d, 64);
	uint16_t head = ADD(&d, 0, { a, 3, true }, { a + 10, 20, true });

	(void)state;
	assert_false(driver_kick(&d, 0));
	driver_expect(&d, 0, head, 23);
	assert_memory_equal(driver_ptr(&d, a, 4), "rrr", 4);
	assert_int_equal(d.n_irqs, 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_ID), 4);
}

static void is_bounded(void **state)
{
	gpa_t a = driver_alloc(&d, 0x20000);
	uint16_t head = ADD(&d, 0, { a, 0x20000, true });

	(void)state;
	driver_kick(&d, 0);
	driver_expect(&d, 0, head, RNG_MAX_FILL);
	assert_int_equal(asked, RNG_MAX_FILL);
	assert_int_equal(*(uint8_t *)driver_ptr(&d, a + RNG_MAX_FILL, 1), 0);
}

static void short_and_failing_backend(void **state)
{
	gpa_t a = driver_alloc(&d, 64);
	uint16_t head;

	(void)state;
	answer = 5;
	head = ADD(&d, 0, { a, 64, true });
	driver_kick(&d, 0);
	driver_expect(&d, 0, head, 5);
	answer = -EIO;
	head = ADD(&d, 0, { a, 64, true });
	driver_kick(&d, 0);
	driver_expect(&d, 0, head, 0);
}

static void nothing_to_write_to(void **state)
{
	gpa_t a = driver_alloc(&d, 64);
	uint16_t head = ADD(&d, 0, { a, 64, false });

	(void)state;
	driver_kick(&d, 0);
	driver_expect(&d, 0, head, 0);
	assert_int_equal(asked, 0);
	assert_true(virtio_dev_active(&rng.dev));
}

static void has_no_config(void **state)
{
	(void)state;
	assert_int_equal(driver_get(&d, 0x100), 0);
	assert_int_equal(rng.dev.n_guest_errors, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(fills),
		T(is_bounded),
		T(short_and_failing_backend),
		T(nothing_to_write_to),
		T(has_no_config),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
