/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "vmm/boot/cmdline.h"

#define WORD "virtio_mmio.device=4K@0xd0001000:6"

static void appends_words(void **state)
{
	char line[128];

	(void)state;
	assert_true(cmdline_init(line, sizeof(line), "quiet"));
	assert_true(cmdline_add_device(line, sizeof(line), 0xd0001000, 6));
	assert_string_equal(line, "quiet " WORD);
	assert_true(cmdline_add_device(line, sizeof(line), 0xd0002000, 23));
	assert_string_equal(line, "quiet " WORD " virtio_mmio.device=4K@0xd0002000:23");
}

static void begins_without_a_space(void **state)
{
	char line[64];

	(void)state;
	assert_true(cmdline_init(line, sizeof(line), ""));
	assert_true(cmdline_add_device(line, sizeof(line), 0xd0001000, 6));
	assert_string_equal(line, WORD);
}

static void fits_to_the_last_byte(void **state)
{
	char line[2 + sizeof(WORD) + 1];

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_true(cmdline_init(line, sizeof(line) - 1, "a"));
	assert_true(cmdline_add_device(line, sizeof(line) - 1, 0xd0001000, 6));
	assert_string_equal(line, "a " WORD);
	assert_int_equal(line[sizeof(line) - 1], 'x');
}

static void refuses_one_byte_more(void **state)
{
	char line[1 + sizeof(WORD)];

	(void)state;
	assert_true(cmdline_init(line, sizeof(line), "a"));
	assert_false(cmdline_add_device(line, sizeof(line), 0xd0001000, 6));
	assert_string_equal(line, "a");
}

static void refuses_a_long_start(void **state)
{
	char line[4];

	(void)state;
	assert_true(cmdline_init(line, sizeof(line), "abc"));
	assert_false(cmdline_init(line, sizeof(line), "abcd"));
	assert_string_equal(line, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_words),	 cmocka_unit_test(begins_without_a_space),
		cmocka_unit_test(fits_to_the_last_byte), cmocka_unit_test(refuses_one_byte_more),
		cmocka_unit_test(refuses_a_long_start),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
