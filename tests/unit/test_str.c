/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/str.h"

#define UNTOUCHED 0x5aa5

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
		bool good;
	} cases[] = {
		{ "0", 0, 0, true },
		{ "1", 0, 0, false },
		{ "5", 5, 5, true },
		{ "7", 5, 0, false },
		{ "10", 9, 0, false },
		{ "99", 100, 99, true },
		{ "101", 100, 0, false },
		{ "007", 7, 7, true },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, true },
		{ "18446744073709551616", UINT64_MAX, 0, false },
		{ "99999999999999999999999", UINT64_MAX, 0, false },
		{ "", 9, 0, false },
		{ "+1", 9, 0, false },
		{ "-1", 9, 0, false },
		{ " 1", 9, 0, false },
		{ "1 ", 9, 0, false },
		{ "0x1", 99, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t out = UNTOUCHED;

		if (str_to_u64(cases[i].text, cases[i].max, &out) != cases[i].good)
			fail_msg("\"%s\" below %llu", cases[i].text,
				 (unsigned long long)cases[i].max);
		assert_int_equal(out, cases[i].good ? cases[i].value : UNTOUCHED);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t value; /* 0: refused */
	} cases[] = {
		{ "1", 1 },
		{ "512M", 512ULL << 20 },
		{ "8G", 8ULL << 30 },
		{ "4K", 4096 },
		{ "2T", 2ULL << 40 },
		{ "0", 0 },
		{ "0M", 0 },
		{ "512m", 0 },
		{ "512MB", 0 },
		{ "1.5G", 0 },
		{ "-1G", 0 },
		{ "M", 0 },
		{ "", 0 },
		{ "8388607T", 8388607ULL << 40 },
		{ "8388608T", 0 },
		{ "99999999999999999999G", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t out = UNTOUCHED;

		if (str_to_size(cases[i].text, &out) != (cases[i].value != 0))
			fail_msg("%s", cases[i].text);
		assert_int_equal(out, cases[i].value != 0 ? cases[i].value : UNTOUCHED);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t value; /* 0: refused */
	} cases[] = {
		{ "30s", 30 },	   { "10m", 600 },
		{ "2h", 7200 },	   { "7d", 604800 },
		{ "2w", 1209600 }, { "7", 0 },
		{ "0d", 0 },	   { "-1d", 0 },
		{ "1d12h", 0 },	   { "1y", 0 },
		{ "1 d", 0 },	   { "d", 0 },
		{ "", 0 },	   { "9223372036854775807w", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t out = UNTOUCHED;

		if (str_to_duration(cases[i].text, &out) != (cases[i].value != 0))
			fail_msg("%s", cases[i].text);
		assert_int_equal(out, cases[i].value != 0 ? cases[i].value : UNTOUCHED);
	}
}

static void test_instants(void **state)
{
	static const struct {
		const char *text;
		int64_t value; /* -1: refused */
	} cases[] = {
		{ "2026-12-01T17:00Z", 1796144400 },
		{ "2026-12-01T17:00:30Z", 1796144430 },
		{ "2026-12-01T18:00+01:00", 1796144400 },
		{ "2026-12-01T11:30-05:30", 1796144400 },
		{ "2026-12-01", 1796169600 },
		{ "2028-02-29", 1835481600 },
		{ "2026-02-29", -1 },
		{ "2100-02-29", -1 },
		{ "2026-13-01", -1 },
		{ "2026-00-01", -1 },
		{ "2026-12-00", -1 },
		{ "2026-04-31", -1 },
		{ "1969-12-31", -1 },
		{ "2026-12-01T17:00", -1 },
		{ "2026-12-01T24:00Z", -1 },
		{ "2026-12-01T17:60Z", -1 },
		{ "2026-12-01T17:00:60Z", -1 },
		{ "2026-12-01T17:00Zx", -1 },
		{ "2026-12-01T17:00+1:00", -1 },
		{ "2026-12-01T17:00+15:00", -1 },
		{ "2026-12-01 17:00Z", -1 },
		{ "2026-12-1", -1 },
		{ "26-12-01", -1 },
		{ "2026-12-01T", -1 },
		{ "", -1 },
		{ "tomorrow", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t out = UNTOUCHED;

		if (str_to_instant(cases[i].text, &out) != (cases[i].value >= 0))
			fail_msg("%s", cases[i].text);
		assert_int_equal(out, cases[i].value >= 0 ? cases[i].value : UNTOUCHED);
	}
}

static void test_printing(void **state)
{
	char buf[32], tiny[4];

	(void)state;
	assert_string_equal(str_from_size(1023, buf, sizeof(buf)), "1023");
	assert_string_equal(str_from_size(512 << 20, buf, sizeof(buf)), "512M");
	assert_string_equal(str_from_size(1536 << 20, buf, sizeof(buf)), "1.5G");
	assert_string_equal(str_from_duration(0, buf, sizeof(buf)), "0s");
	assert_string_equal(str_from_duration(42, buf, sizeof(buf)), "42s");
	assert_string_equal(str_from_duration(3600 + 300, buf, sizeof(buf)), "1h 5m");
	assert_string_equal(str_from_duration(7 * 86400, buf, sizeof(buf)), "7d");
	assert_string_equal(str_from_duration(7 * 86400 - 3600, buf, sizeof(buf)), "6d 23h");
	assert_string_equal(str_from_duration(600, buf, sizeof(buf)), "10m");
	assert_string_equal(str_from_instant(1796144400, buf, sizeof(buf)), "2026-12-01T17:00:00Z");
	assert_string_equal(str_from_instant(INT64_MAX, buf, sizeof(buf)), "?");
	assert_string_equal(str_from_duration(86400 * 7 - 1, tiny, sizeof(tiny)), "6d ");
}

static void test_names(void **state)
{
	(void)state;
	assert_true(str_is_name("a"));
	assert_true(str_is_name("web-2"));
	assert_true(str_is_name("9lives"));
	assert_true(str_is_name("0123456789012345678901234567890123456789"));
	assert_false(str_is_name("01234567890123456789012345678901234567890"));
	assert_false(str_is_name(""));
	assert_false(str_is_name("-web"));
	assert_false(str_is_name("web-"));
	assert_false(str_is_name("we_b"));
	assert_false(str_is_name("../x"));
	assert_false(str_is_name("w\xc3\xa9"));
}

static void test_copy(void **state)
{
	char buf[4];

	(void)state;
	assert_true(str_copy(buf, sizeof(buf), "abc"));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, sizeof(buf), "abcd"));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, 0, "x"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),	  cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations), cmocka_unit_test(test_instants),
		cmocka_unit_test(test_printing),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_copy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
