/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A balloon whose backend notes what it is given. */
#include "tests/unit/support/driver.h"

#include <linux/virtio_balloon.h>

#include "base/bug.h"
#include "vmm/virtio/balloon.h"

#define PAGE	 4096u
#define F_OOM	 (1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM)
#define F_REPORT (1ull << VIRTIO_BALLOON_F_REPORTING)
#define RAM	 (LOW_LEN + HIGH_LEN)

static struct driver d;
static struct balloon balloon;
static bool host_refuses;
static unsigned int n_given;
static struct {
	gpa_t gpa;
	uint64_t len;
} given[64];

static bool release(void *ctx, void *at, uint64_t len)
{
	assert_ptr_equal(ctx, given);
	assert_true(n_given < ARRAY_SIZE(given));
	for (int i = 0; i < 2; i++) {
		const struct mem_region *r = &d.mem.regions[i];

		if ((uint8_t *)at >= r->host && (uint8_t *)at + len <= r->host + r->len)
			given[n_given].gpa = r->gpa + (uint64_t)((uint8_t *)at - r->host);
	}
	given[n_given++].len = len;
	return !host_refuses;
}

static const struct balloon_backend backend = { .release = release };

static int setup(void **state)
{
	(void)state;
	n_given = 0;
	host_refuses = false;
	driver_init(&d);
	balloon_init(&balloon, &d.mem, driver_irq(&d), &backend, given);
	driver_start(&d, &balloon.dev, F_BASE | F_OOM | F_REPORT, 32);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

static void expect_given(unsigned int i, gpa_t gpa, uint64_t len)
{
	assert_true(i < n_given);
	assert_int_equal(given[i].gpa, gpa);
	assert_int_equal(given[i].len, len);
}

static uint16_t put(const uint32_t *pfns, uint32_t n)
{
	gpa_t at = driver_bytes(&d, pfns, n * sizeof(*pfns));
	uint16_t head = ADD(&d, BALLOON_QUEUE_INFLATE, { at, n * 4, false });

	n_given = 0;
	driver_kick(&d, BALLOON_QUEUE_INFLATE);
	return head;
}

#define PUT(...)                                                                                   \
	driver_expect(&d, BALLOON_QUEUE_INFLATE,                                                   \
		      put((const uint32_t[]){ __VA_ARGS__ },                                       \
			  sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4),                          \
		      0)

static void configuration(void **state)
{
	uint64_t both;

	(void)state;
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_ID), 5);
	assert_true((balloon.dev.features & (F_OOM | F_REPORT)) == (F_OOM | F_REPORT));
	balloon_set_target(&balloon, 5 * PAGE + 1);
	assert_int_equal(driver_get(&d, 0x100), 5);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_CONFIG_GENERATION), 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(d.n_irqs, 1);
	driver_set(&d, 0x104, 3);
	mmio_read(&d.mmio, 0x100, &both, 8);
	assert_int_equal(both, 3ull << 32 | 5);
	assert_int_equal(balloon.dev.n_guest_errors, 0);
	driver_set(&d, 0x100, 1); /* the target is the host's */
	driver_set(&d, 0x108, 1);
	mmio_write(&d.mmio, 0x106, &both, 2);
	assert_int_equal(balloon.dev.n_guest_errors, 3);
	assert_int_equal(balloon.target_pages, 5);
	assert_int_equal(balloon.actual_pages, 3);
}

static void target_is_bounded(void **state)
{
	(void)state;
	balloon_set_target(&balloon, RAM + PAGE);
	assert_int_equal(driver_get(&d, 0x100), RAM / PAGE);
	balloon_set_target(&balloon, UINT64_MAX);
	assert_int_equal(driver_get(&d, 0x100), RAM / PAGE);
}

/* No interrupt before DRIVER_OK; the driver looks at the target when it starts. */
static void target_before_the_driver(void **state)
{
	(void)state;
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	balloon_set_target(&balloon, PAGE);
	assert_int_equal(d.n_irqs, 0);
	assert_int_equal(driver_get(&d, 0x100), 1);
}

static void reset_empties(void **state)
{
	(void)state;
	driver_set(&d, 0x104, 3);
	balloon_set_target(&balloon, 3 * PAGE);
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(driver_get(&d, 0x104), 0);
	assert_int_equal(driver_get(&d, 0x100), 3);
}

static void neighbours_go_together(void **state)
{
	(void)state;
	PUT(16, 17, 18);
	assert_int_equal(n_given, 1);
	expect_given(0, 16 * PAGE, 3 * PAGE);
	PUT(30, 29, 28, 27);
	assert_int_equal(n_given, 1);
	expect_given(0, 27 * PAGE, 4 * PAGE);
	PUT(20, 21, 19, 40, 39, 60);
	assert_int_equal(n_given, 3);
	expect_given(0, 19 * PAGE, 3 * PAGE);
	expect_given(1, 39 * PAGE, 2 * PAGE);
	expect_given(2, 60 * PAGE, PAGE);
	PUT(0, 1);
	expect_given(0, 0, 2 * PAGE);
	PUT(HIGH_GPA / PAGE, HIGH_GPA / PAGE + 1);
	expect_given(0, HIGH_GPA, 2 * PAGE);
	assert_int_equal(balloon.n_released, (3 + 4 + 6 + 2 + 2) * PAGE);
}

/* Across the hole, two regions' ends don't become one range. */
static void ends_of_ram(void **state)
{
	(void)state;
	PUT(LOW_LEN / PAGE - 1, HIGH_GPA / PAGE);
	assert_int_equal(n_given, 2);
	expect_given(0, LOW_LEN - PAGE, PAGE);
	expect_given(1, HIGH_GPA, PAGE);
}

/* The same page twice is given back twice: that costs the guest what was in it. */
static void duplicates(void **state)
{
	(void)state;
	PUT(50, 50, 50);
	assert_int_equal(n_given, 3);
	assert_true(virtio_dev_active(&balloon.dev));
}

static void many_in_one_chain(void **state)
{
	static uint32_t pfns[BALLOON_MAX_PFNS + 1];

	(void)state;
	for (uint32_t i = 0; i < BALLOON_MAX_PFNS; i++)
		pfns[i] = 10 + i % 100;
	for (uint32_t i = 0; i < 256; i++)
		pfns[i] = HIGH_GPA / PAGE; /* 64 calls of the backend are enough here */
	for (uint32_t i = 0; i < 300; i++)
		pfns[i] = i % 200;
	driver_expect(&d, BALLOON_QUEUE_INFLATE, put(pfns, 300), 0);
	assert_int_equal(n_given, 2); /* runs cross the 256 that are looked at at a time */
	expect_given(0, 0, 200 * PAGE);
	expect_given(1, 0, 100 * PAGE);
	put(pfns, BALLOON_MAX_PFNS + 1);
	driver_expect_nothing(&d, BALLOON_QUEUE_INFLATE);
	driver_expect_failed(&d);
}

static void pages_that_are_none(void **state)
{
	static const uint32_t bad[] = { LOW_LEN / PAGE, HIGH_GPA / PAGE - 1,
					(HIGH_GPA + HIGH_LEN) / PAGE, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put((const uint32_t[]){ 16, bad[i], 17 }, 3);
		driver_expect_nothing(&d, BALLOON_QUEUE_INFLATE);
		driver_expect_failed(&d);
		driver_start(&d, &balloon.dev, F_BASE, 32);
	}
	PUT(16);
	ADD(&d, BALLOON_QUEUE_INFLATE, { 0x100, 7, false });
	driver_kick(&d, BALLOON_QUEUE_INFLATE);
	driver_expect_failed(&d);
}

/* Writable buffers carry no page numbers; nothing in nothing out. */
static void nothing_to_inflate(void **state)
{
	uint16_t head = ADD(&d, BALLOON_QUEUE_INFLATE, { 0x100, 64, true });

	(void)state;
	driver_kick(&d, BALLOON_QUEUE_INFLATE);
	driver_expect(&d, BALLOON_QUEUE_INFLATE, head, 0);
	assert_int_equal(n_given, 0);
}

static void deflate_is_acknowledged(void **state)
{
	uint16_t head = ADD(&d, BALLOON_QUEUE_DEFLATE, { 0x100, 64, false });

	(void)state;
	driver_kick(&d, BALLOON_QUEUE_DEFLATE);
	driver_expect(&d, BALLOON_QUEUE_DEFLATE, head, 0);
	assert_int_equal(n_given, 0);
	assert_int_equal(d.n_irqs, 1);
}

static void reports(void **state)
{
	uint16_t head = ADD(&d, BALLOON_QUEUE_REPORTING, { 0x10000, 0x20000, true },
			    { HIGH_GPA, PAGE, true }, { 0x40000, 2 * PAGE, true });

	(void)state;
	driver_kick(&d, BALLOON_QUEUE_REPORTING);
	driver_expect(&d, BALLOON_QUEUE_REPORTING, head, 0);
	assert_int_equal(n_given, 3);
	expect_given(0, 0x10000, 0x20000);
	expect_given(1, HIGH_GPA, PAGE);
	expect_given(2, 0x40000, 2 * PAGE);
}

/* Only whole pages go; what the driver only lets us read isn't reported. */
static void odd_reports(void **state)
{
	(void)state;
	ADD(&d, BALLOON_QUEUE_REPORTING, { 0x80000, PAGE, false }, { 0x10001, 3 * PAGE, true },
	    { 0x20000, PAGE - 1, true }, { 0x30ff0, 0x20, true }, { 0x30fff, PAGE + 1, true },
	    { 0x40fff, 1, true }, { 0x50001, 1, true });
	driver_kick(&d, BALLOON_QUEUE_REPORTING);
	assert_int_equal(n_given, 2);
	expect_given(0, 0x11000, 2 * PAGE);
	expect_given(1, 0x31000, PAGE);
	ADD(&d, BALLOON_QUEUE_REPORTING, { HOLE_GPA, PAGE, true });
	driver_kick(&d, BALLOON_QUEUE_REPORTING);
	driver_expect_failed(&d);
}

static void refused_by_the_host(void **state)
{
	(void)state;
	host_refuses = true;
	PUT(16);
	assert_int_equal(n_given, 1);
	assert_int_equal(balloon.n_released, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(configuration),      T(target_is_bounded),	   T(target_before_the_driver),
		T(reset_empties),      T(neighbours_go_together),  T(ends_of_ram),
		T(duplicates),	       T(many_in_one_chain),	   T(pages_that_are_none),
		T(nothing_to_inflate), T(deflate_is_acknowledged), T(reports),
		T(odd_reports),	       T(refused_by_the_host),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("balloon", tests, NULL, NULL);
}
