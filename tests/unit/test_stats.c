/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What stats reckons from the kernel's files, and what a mistyped word may have been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/nearest.h"
#include "cli/sample.h"

static void test_keys(void **state)
{
	const char *io = "254:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n"
			 "8:16 rbytes=11 wbytes=2 rios=1 wios=0\n";

	(void)state;
	assert_int_equal(sample_key("usage_usec 1234\nuser_usec 5\n", "usage_usec"), 1234);
	assert_int_equal(sample_key("core_usage_usec 9\nusage_usec 1\n", "usage_usec"), 1);
	assert_int_equal(sample_key(io, "rbytes"), 111);
	assert_int_equal(sample_key(io, "wbytes"), 22);
	assert_int_equal(sample_key(io, "wios"), 4);
	assert_true(sample_key(io, "bytes") == SAMPLE_NONE);
	assert_true(sample_key("", "rbytes") == SAMPLE_NONE);
	assert_true(sample_key("rbytes", "rbytes") == SAMPLE_NONE);
}

static void test_percent(void **state)
{
	struct sample a = { .at_ns = 1000000000, .running_ns = 500000000, .cpu_us = 250000 };
	struct sample b = { .at_ns = 3000000000, .running_ns = 2500000000, .cpu_us = 1250000 };
	struct sample other_run = { .at_ns = 4000000000,
				    .running_ns = 1000000000,
				    .cpu_us = 100000 };

	(void)state;
	assert_float_equal(sample_cpu_percent(NULL, &a), 50, 0.01);
	assert_float_equal(sample_cpu_percent(&a, &b), 50, 0.01);
	b.cpu_us = 4250000; /* two CPUs for two seconds */
	assert_float_equal(sample_cpu_percent(&a, &b), 200, 0.01);
	assert_float_equal(sample_cpu_percent(&b, &other_run), 10, 0.01);
	a.running_ns = 0;
	assert_true(sample_cpu_percent(NULL, &a) < 0);
	b.cpu_us = SAMPLE_NONE;
	assert_true(sample_cpu_percent(&a, &b) < 0);
}

static const char *meant(const char *typed)
{
	static const char *const words[] = { "create", "destroy", "ls", "show", "logs", "doctor" };
	struct nearest nearest = { .typed = typed };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		nearest_offer(&nearest, words[i]);
	return nearest.word != NULL ? nearest.word : "";
}

static void test_nearest(void **state)
{
	const char *longest = "0123456789012345678901234567890123456789";

	(void)state;
	assert_string_equal(meant("craete"), "create"); /* swapped */
	assert_string_equal(meant("create"), "create");
	assert_string_equal(meant("creat"), "create");	    /* left out */
	assert_string_equal(meant("destroyed"), "destroy"); /* two put in */
	assert_string_equal(meant("doktor"), "doctor");	    /* changed */
	assert_string_equal(meant("log"), "logs");
	assert_string_equal(meant("lx"), "ls");
	assert_string_equal(meant("frob"), "");
	assert_string_equal(meant("x"), "");
	assert_string_equal(meant(""), "");
	assert_string_equal(meant(longest), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_nearest),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
