/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "tests/unit/support/driver.h"

#include <linux/virtio_console.h>

#include "vmm/virtio/console.h"

static struct driver d;
static struct console console;
static char output[2 * CONSOLE_MAX_WRITE];
static size_t output_len;

static void backend_write(void *ctx, const struct iovec *iov, int n)
{
	assert_ptr_equal(ctx, output);
	for (int i = 0; i < n; i++) {
		assert_true(output_len + iov[i].iov_len <= sizeof(output));
		memcpy(output + output_len, iov[i].iov_base, iov[i].iov_len);
		output_len += iov[i].iov_len;
	}
}

static const struct console_backend backend = { .write = backend_write };

static int setup(void **state)
{
	(void)state;
	output_len = 0;
	driver_init(&d);
	console_init(&console, &d.mem, driver_irq(&d), &backend, output);
	driver_start(&d, &console.dev, F_BASE, 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

static void output_arrives(void **state)
{
	gpa_t a = driver_bytes(&d, "hello world", 11);
	uint16_t head = ADD(&d, 1, { a, 6, false }, { a + 6, 5, false });

	(void)state;
	assert_false(driver_kick(&d, CONSOLE_QUEUE_TX));
	driver_expect(&d, 1, head, 0);
	assert_int_equal(output_len, 11);
	assert_memory_equal(output, "hello world", 11);
}

static void a_flood_is_bounded(void **state)
{
	uint16_t head = ADD(&d, 1, { 0, LOW_LEN, false });

	(void)state;
	driver_kick(&d, CONSOLE_QUEUE_TX);
	driver_expect(&d, 1, head, 0);
	assert_int_equal(output_len, CONSOLE_MAX_WRITE);
}

static void nothing_to_write(void **state)
{
	uint16_t head = ADD(&d, 1, { 0x800, 16, true });

	(void)state;
	driver_kick(&d, CONSOLE_QUEUE_TX);
	driver_expect(&d, 1, head, 0);
	assert_int_equal(output_len, 0);
}

static void input_fills_buffers(void **state)
{
	gpa_t a = driver_alloc(&d, 64);
	uint16_t first, second;

	(void)state;
	assert_int_equal(console_input(&console, "lost", 4), 0);
	first = ADD(&d, 0, { a, 2, true }, { a + 8, 1, true });
	second = ADD(&d, 0, { a + 16, 3, true });
	assert_false(driver_kick(&d, CONSOLE_QUEUE_RX));
	assert_int_equal(console_input(&console, "abcdefgh", 8), 6);
	driver_expect(&d, 0, first, 3);
	driver_expect(&d, 0, second, 3);
	assert_memory_equal(driver_ptr(&d, a, 3), "ab", 3);
	assert_memory_equal(driver_ptr(&d, a + 8, 2), "c", 2);
	assert_memory_equal(driver_ptr(&d, a + 16, 3), "def", 3);
	assert_int_equal(d.n_irqs, 1);
	assert_int_equal(console_input(&console, "gh", 2), 0);
	assert_int_equal(d.n_irqs, 1);
}

static void input_buffers_without_room(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++)
		ADD(&d, 0, { 0x800, 8, false });
	assert_int_equal(console_input(&console, "x", 1), 0);
	assert_int_equal(d.rings[0].avail_idx, console.dev.queues[0].used_idx);
}

static void input_before_the_driver(void **state)
{
	(void)state;
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(console_input(&console, "x", 1), 0);
	assert_int_equal(console.dev.n_guest_errors, 0);
}

static void the_size_is_told(void **state)
{
	uint32_t generation = driver_get(&d, VIRTIO_MMIO_CONFIG_GENERATION);

	(void)state;
	assert_true((console.dev.features & 1ull << VIRTIO_CONSOLE_F_SIZE) != 0);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_CONFIG), 0);
	console_resize(&console, 132, 43);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_CONFIG), 132 | 43 << 16);
	assert_int_equal(d.n_irqs, 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_not_equal(driver_get(&d, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	console_resize(&console, 132, 43); /* no news */
	assert_int_equal(d.n_irqs, 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_CONFIG + 4), 0); /* MULTIPORT's */
}

static void the_size_waits_for_a_driver(void **state)
{
	(void)state;
	driver_set(&d, VIRTIO_MMIO_STATUS, 0);
	console_resize(&console, 132, 43);
	assert_int_equal(d.n_irqs, 0);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_CONFIG), 132 | 43 << 16);
}

static void broken_input_queue(void **state)
{
	(void)state;
	driver_offer(&d, 0, 999);
	assert_int_equal(console_input(&console, "x", 1), 0);
	driver_expect_failed(&d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(output_arrives),
		T(a_flood_is_bounded),
		T(nothing_to_write),
		T(input_fills_buffers),
		T(input_buffers_without_room),
		T(input_before_the_driver),
		T(broken_input_queue),
		T(the_size_is_told),
		T(the_size_waits_for_a_driver),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
