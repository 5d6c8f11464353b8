/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Labels and rates: what users write, what is refused, and what is kept of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bug.h"
#include "cli/limits.h"
#include "store/labels.h"

static void put(char labels[SPEC_LABELS_SIZE], const char *word)
{
	struct err err = { 0 };

	if (labels_put(labels, word, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(labels_are_valid(labels));
}

static void test_sorted_and_replaced(void **state)
{
	char labels[SPEC_LABELS_SIZE] = "", zero[SPEC_LABELS_SIZE] = "";

	(void)state;
	put(labels, "tier=web");
	put(labels, "env=prod");
	put(labels, "envelope=");
	put(labels, "a.b/c-d_e=x=y z");
	assert_string_equal(labels, "a.b/c-d_e=x=y z\nenv=prod\nenvelope=\ntier=web\n");
	put(labels, "env=a much longer value");
	put(labels, "tier=t");
	assert_string_equal(labels,
			    "a.b/c-d_e=x=y z\nenv=a much longer value\nenvelope=\ntier=t\n");
	/* what is unused is zero: nothing of an earlier value leaves the process */
	assert_memory_equal(labels + strlen(labels), zero, sizeof(labels) - strlen(labels));
}

static void test_dropped(void **state)
{
	char labels[SPEC_LABELS_SIZE] = "a=1\nab=2\nb=\n", same[SPEC_LABELS_SIZE] = "a=1\nb=\n";
	static const char none[SPEC_LABELS_SIZE];

	(void)state;
	assert_false(labels_drop(labels, "c"));
	assert_false(labels_drop(labels, ""));
	assert_false(labels_drop(labels, "a=1"));
	assert_true(labels_drop(labels, "ab"));
	assert_memory_equal(labels, same, sizeof(same)); /* unused bytes are zero */
	assert_true(labels_drop(labels, "b"));
	assert_true(labels_drop(labels, "a"));
	assert_memory_equal(labels, none, sizeof(none));
}

static void test_match(void **state)
{
	static const char labels[] = "env=prod\nenvelope=\ntier=a=b\n";
	static const struct {
		const char *filter;
		bool matches;
	} cases[] = {
		{ "env", true },	{ "env=prod", true }, { "env=pro", false },
		{ "env=prodd", false }, { "en", false },      { "envelope", true },
		{ "envelope=", true },	{ "env=", false },    { "tier=a=b", true },
		{ "tier=a", false },	{ "prod", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (labels_match(labels, cases[i].filter) != cases[i].matches)
			fail_msg("%s", cases[i].filter);
	assert_false(labels_match("", "env"));
}

static void test_labels_refused(void **state)
{
	static const char *const words[] = {
		"",
		"env",
		"=x",
		"-a=x",
		".a=x",
		"a b=x",
		"a\nb=x",
		"a=x\ny",
		"a=\x1b[2J",
		"a=\x7f",
		"k\xc3\xa4y=v",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=x",
	};
	char labels[SPEC_LABELS_SIZE] = "env=prod\n", word[256];
	struct err err;
	int rc = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (labels_put(labels, words[i], &err) == 0)
			fail_msg("accepted: %s", words[i]);
		assert_int_equal(err.code, ERR_USAGE);
		assert_string_equal(labels, "env=prod\n");
	}
	memset(word, 'v', sizeof(word));
	memcpy(word, "a=", 2);
	word[2 + LABELS_VALUE_MAX + 1] = '\0';
	assert_int_equal(labels_put(labels, word, &err), -1);
	word[2 + LABELS_VALUE_MAX] = '\0';
	/* to the last byte that there is, and not beyond */
	for (unsigned i = 0; rc == 0 && i < 100; i++) {
		(void)snprintf(word, 16, "k%03u", i);
		word[4] = '=';
		rc = labels_put(labels, word, &err);
	}
	assert_int_equal(rc, -1);
	assert_true(strlen(labels) < SPEC_LABELS_SIZE && strlen(labels) > SPEC_LABELS_SIZE - 140);
	assert_true(labels_are_valid(labels));
	assert_false(labels_is_filter("a b"));
	assert_false(labels_is_filter(""));
	assert_true(labels_is_filter("a=b c"));
}

static void test_invalid_texts(void **state)
{
	static const char *const texts[] = { "a",    "a=b",	"a=b\na=c\n", "b=1\na=1\n",
					     "=x\n", "a=b\n\n", "a=b\nc\n",   "a b=c\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (labels_are_valid(texts[i]))
			fail_msg("accepted: %s", texts[i]);
	assert_true(labels_are_valid(""));
}

static void test_rates(void **state)
{
	static const struct {
		const char *text;
		struct spec_rate rate;
		const char *again;
	} cases[] = {
		{ "10M", { .bytes_per_s = 10 << 20 }, "10M" },
		{ "none", { 0 }, "" },
		{ "ops=500", { .ops_per_s = 500 }, "ops=500" },
		{ "burst=64M,1G",
		  { .bytes_per_s = 1 << 30, .burst_bytes = 64 << 20 },
		  "1G,burst=64M" },
		{ "5000,ops=1,burst=4097,burst-ops=9",
		  { .bytes_per_s = 5000, .burst_bytes = 4097, .ops_per_s = 1, .burst_ops = 9 },
		  "5000,ops=1,burst=4097,burst-ops=9" },
	};
	char text[LIMITS_RATE_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct spec_rate rate = { 1, 2, 3, 4 };

		assert_null(limits_parse_rate(cases[i].text, true, &rate));
		assert_memory_equal(&rate, &cases[i].rate, sizeof(rate));
		assert_string_equal(limits_rate_text(&rate, text), cases[i].again);
	}
}

static void test_rates_refused(void **state)
{
	static const char *const texts[] = {
		"",
		",",
		"10M,",
		",10M",
		"10M,10M",
		"0",
		"10",
		"4095",
		"2T",
		"fast",
		"ops=",
		"ops=0",
		"ops=-1",
		"ops=1K",
		"burst=1M",
		"burst-ops=1",
		"ops=1,burst=1M",
		"10M,burst-ops=5",
		"10M,none",
		"-10M",
		"10M, ops=1",
		"ops=9999999999",
		"10M,burst=1M,burst=1M",
	};
	struct spec_rate rate = { 1, 2, 3, 4 }, before = rate;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (limits_parse_rate(texts[i], true, &rate) == NULL)
			fail_msg("accepted: %s", texts[i]);
		assert_memory_equal(&rate, &before, sizeof(rate));
	}
	assert_non_null(limits_parse_rate("10M,burst=20M", false, &rate));
	assert_non_null(limits_parse_rate("ops=10,burst-ops=20", false, &rate));
	assert_null(limits_parse_rate("10M,ops=20", false, &rate));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted_and_replaced),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_labels_refused),
		cmocka_unit_test(test_invalid_texts),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rates_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
