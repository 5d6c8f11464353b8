/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Which notice is due, and when the next one may be; the JSON that a hook reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/emit.h"
#include "keeper/notice.h"

#define DAY  86400u
#define HOUR 3600u

static const uint32_t usual[SPEC_MAX_NOTICES] = { DAY, HOUR, 600 };
static uint32_t told[SPEC_MAX_NOTICES];

static int forget(void **state)
{
	(void)state;
	memset(told, 0, sizeof(told));
	return 0;
}

/* A look as the keeper does it: what is due is told. */
static uint32_t look(uint64_t granted_s, uint64_t left_s)
{
	uint32_t due = notice_due(usual, told, granted_s, left_s);

	for (size_t i = 0; due && i < SPEC_MAX_NOTICES; i++)
		if (told[i] == 0) {
			told[i] = due;
			break;
		}
	return due;
}

static void test_each_in_its_time(void **state)
{
	(void)state;
	assert_int_equal(look(7 * DAY, 7 * DAY), 0);
	assert_int_equal(look(7 * DAY, DAY + 1), 0);
	assert_int_equal(look(7 * DAY, DAY), DAY);
	assert_int_equal(look(7 * DAY, DAY - 1), 0);
	assert_int_equal(look(7 * DAY, HOUR + 1), 0);
	assert_int_equal(look(7 * DAY, HOUR), HOUR);
	assert_int_equal(look(7 * DAY, 600), 600);
	assert_int_equal(look(7 * DAY, 1), 0);
	assert_int_equal(look(7 * DAY, 0), 0);
}

static void test_a_short_life(void **state)
{
	(void)state;
	/* born with just a day: a day's notice says nothing new */
	assert_int_equal(look(DAY, DAY), 0);
	assert_int_equal(look(DAY, DAY - 1), 0);
	assert_int_equal(look(DAY, HOUR - 5), HOUR);
	(void)forget(state);
	assert_int_equal(look(600, 600), 0);
	assert_int_equal(look(599, 1), 0);
	assert_int_equal(look(HOUR, 601), 0);
	assert_int_equal(look(HOUR, 599), 600);
}

static void test_only_the_nearest(void **state)
{
	(void)state;
	/* nobody looked for days: stopped, suspended, a jump of the clock */
	assert_int_equal(look(7 * DAY, 30), 600);
	assert_int_equal(look(7 * DAY, 29), 0);
	(void)forget(state);
	assert_int_equal(look(7 * DAY, HOUR - 100), HOUR);
	assert_int_equal(look(7 * DAY, HOUR - 101), 0);
	assert_int_equal(look(7 * DAY, 600), 600);
}

static void test_a_clock_that_jumps(void **state)
{
	(void)state;
	/* forward into the last minutes, then put right: what was passed over comes in its time, nothing twice */
	assert_int_equal(look(7 * DAY, 2 * DAY), 0);
	assert_int_equal(look(7 * DAY, 500), 600);
	assert_int_equal(look(7 * DAY, 2 * DAY), 0);
	assert_int_equal(look(7 * DAY, DAY), DAY);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(look(7 * DAY, 2 * DAY), 0);
		assert_int_equal(look(7 * DAY, DAY - i), 0);
	}
	assert_int_equal(look(7 * DAY, HOUR - 1), HOUR);
	assert_int_equal(look(7 * DAY, 600), 0);
}

static void test_wait(void **state)
{
	static const uint32_t none[SPEC_MAX_NOTICES],
		full[SPEC_MAX_NOTICES] = { 8, 7, 6, 5, 4, 3, 2, 1 };

	(void)state;
	assert_int_equal(notice_wait(usual, 7 * DAY), 6 * DAY);
	assert_int_equal(notice_wait(usual, DAY), DAY - HOUR);
	assert_int_equal(notice_wait(usual, 601), 1);
	assert_true(notice_wait(usual, 600) == UINT64_MAX);
	assert_true(notice_wait(usual, 0) == UINT64_MAX);
	assert_true(notice_wait(none, 600) == UINT64_MAX);
	assert_int_equal(notice_due(none, told, UINT64_MAX, 600), 0);
	assert_int_equal(notice_wait(full, 9), 1);
	assert_true(notice_wait(full, 1) == UINT64_MAX);
	assert_int_equal(notice_due(full, told, UINT64_MAX, 1), 1);
	assert_int_equal(notice_due(full, told, UINT64_MAX, 5), 5);
}

/* ---- the emitter, read by somebody else's parser ---- */

static void test_emitter(void **state)
{
	static const char hostile[] = "\"\\\n\x1b[2J\x7f \xc3\xbc \xf0\x9f\x90\x9d \xc3( "
				      "\xed\xa0\x80 \xf4\x90\x80\x80 \xff \xe2\x82";
	char buf[512];
	struct emit e;
	json_error_t error;
	json_t *root, *inner;
	size_t len;

	(void)state;
	emit_begin(&e, buf, sizeof(buf));
	emit_text(&e, "text", hostile);
	emit_null(&e, "none");
	emit_open(&e, "inner");
	emit_close(&e);
	emit_open(&e, "more");
	emit_number(&e, "n", -5);
	emit_bool(&e, "yes", true);
	emit_close(&e);
	emit_instant(&e, "at", 1764608400);
	len = emit_end(&e);
	assert_true(len > 0);
	assert_int_equal(buf[len - 1], '\n');
	root = json_loadb(buf, len, 0, &error);
	if (root == NULL)
		fail_msg("%s: %.*s", error.text, (int)len, buf);
	assert_string_equal(json_string_value(json_object_get(root, "text")),
			    "\"\\\n\x1b[2J\x7f \xc3\xbc \xf0\x9f\x90\x9d \xef\xbf\xbd( "
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd "
			    "\xef\xbf\xbd\xef\xbf\xbd");
	assert_true(json_is_null(json_object_get(root, "none")));
	assert_int_equal(json_object_size(json_object_get(root, "inner")), 0);
	inner = json_object_get(root, "more");
	assert_int_equal(json_integer_value(json_object_get(inner, "n")), -5);
	assert_true(json_is_true(json_object_get(inner, "yes")));
	assert_string_equal(json_string_value(json_object_get(root, "at")), "2025-12-01T17:00:00Z");
	json_decref(root);
	/* one byte too few: nothing, rather than a part of it */
	emit_begin(&e, buf, 10);
	emit_text(&e, "a", "bc");
	assert_int_equal(emit_end(&e), 0);
	emit_begin(&e, buf, 11);
	emit_text(&e, "a", "bc");
	assert_int_equal(emit_end(&e), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_in_its_time, forget),
		cmocka_unit_test_setup(test_a_short_life, forget),
		cmocka_unit_test_setup(test_only_the_nearest, forget),
		cmocka_unit_test_setup(test_a_clock_that_jumps, forget),
		cmocka_unit_test_setup(test_wait, forget),
		cmocka_unit_test(test_emitter),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
