/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "tests/unit/support/driver.h"

static struct driver d;

static void inside(void **state)
{
	(void)state;
	assert_ptr_equal(mem_ptr(&d.mem, 0, 1), d.mem.regions[0].host);
	assert_ptr_equal(mem_ptr(&d.mem, 0, LOW_LEN), d.mem.regions[0].host);
	assert_ptr_equal(mem_ptr(&d.mem, LOW_LEN - 1, 1), d.mem.regions[0].host + LOW_LEN - 1);
	assert_ptr_equal(mem_ptr(&d.mem, HIGH_GPA + 5, HIGH_LEN - 5), d.mem.regions[1].host + 5);
}

static void outside(void **state)
{
	static const struct {
		gpa_t gpa;
		uint64_t len;
	} bad[] = {
		{ 0, LOW_LEN + 1 },
		{ LOW_LEN - 1, 2 },
		{ LOW_LEN, 1 },
		{ HIGH_GPA - 1, 1 },
		{ HIGH_GPA - 1, 2 },
		{ HIGH_GPA, HIGH_LEN + 1 },
		{ HIGH_GPA + HIGH_LEN, 1 },
		{ 0, HIGH_GPA + HIGH_LEN },
		{ 0, UINT64_MAX },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX, UINT64_MAX },
		{ UINT64_MAX - 15, 32 },
		{ HIGH_GPA + 1, UINT64_MAX - HIGH_GPA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(mem_ptr(&d.mem, bad[i].gpa, bad[i].len));
}

static void empty(void **state)
{
	uint8_t byte = 7;

	(void)state;
	assert_null(mem_ptr(&d.mem, 0, 0));
	assert_true(mem_read(&d.mem, HOLE_GPA, &byte, 0));
	assert_int_equal(byte, 7);
}

static void copies(void **state)
{
	const char text[8] = "mayfly!";
	char back[8] = "";

	(void)state;
	assert_true(mem_write(&d.mem, LOW_LEN - 8, text, 8));
	assert_true(mem_read(&d.mem, LOW_LEN - 8, back, 8));
	assert_memory_equal(text, back, 8);
	memset(back, 'x', 8);
	assert_false(mem_read(&d.mem, LOW_LEN - 7, back, 8));
	assert_memory_equal(back, "xxxxxxxx", 8);
	assert_false(mem_write(&d.mem, LOW_LEN - 7, back, 8));
	assert_memory_equal(driver_ptr(&d, LOW_LEN - 8, 8), text, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inside),
		cmocka_unit_test(outside),
		cmocka_unit_test(empty),
		cmocka_unit_test(copies),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	driver_init(&d);
	failed = cmocka_run_group_tests_name("mem", tests, NULL, NULL);
	driver_fini(&d);
	return failed;
}
