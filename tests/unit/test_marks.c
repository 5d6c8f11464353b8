/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Marks of how far a console had come: what was written since an instant begins at the last mark that isn't later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/proto/launch.h"
#include "store/marks.h"
#include "store/paths.h"

#define ID "00000000000000aa"

static struct host_config host;
static char dir[] = "/tmp/mayfly-marks-XXXXXX";

/* The console's head as a monitor would write it. */
static void console_at(uint64_t written)
{
	const struct launch_ring head = { .written = written, .size = 4096 };
	char path[PATHS_SIZE];
	FILE *file = fopen(paths_run(&host, ID, "console", path), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(&head, sizeof(head), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	memset(&host, 0, sizeof(host));
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s", dir);
	if (mkdir(paths_run(&host, ID, NULL, path), 0750) < 0)
		return -1;
	return marks_make(&host, ID, getgid(), &err);
}

static int tear_down(void **state)
{
	static const char *const names[] = { "console", MARKS_FILE, NULL };
	char path[PATHS_SIZE];

	(void)state;
	for (size_t i = 0; names[i]; i++)
		(void)unlink(paths_run(&host, ID, names[i], path));
	return rmdir(paths_run(&host, ID, NULL, path)) < 0 ? -1 : rmdir(dir);
}

static void expect_before(int64_t at_s, uint64_t want)
{
	uint64_t written = 12345;
	struct err err;

	assert_int_equal(marks_before(&host, ID, at_s, &written, &err), 0);
	assert_int_equal(written, want);
}

static void since_begins_at_the_last_mark(void **state)
{
	(void)state;
	expect_before(1000, 0); /* no mark yet: all of it */
	console_at(100);
	marks_note(&host, ID, 60);
	console_at(250);
	marks_note(&host, ID, 120);
	expect_before(59, 0);
	expect_before(60, 100);
	expect_before(119, 100);
	expect_before(1000, 250);
}

static void a_silent_minute_makes_none(void **state)
{
	char path[PATHS_SIZE];
	struct stat before, after;

	(void)state;
	console_at(100);
	marks_note(&host, ID, 60);
	assert_int_equal(stat(paths_run(&host, ID, MARKS_FILE, path), &before), 0);
	marks_note(&host, ID, 120);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	expect_before(119, 100);
}

static void the_file_is_bounded(void **state)
{
	char path[PATHS_SIZE];
	struct stat st;

	(void)state;
	for (uint64_t i = 1; i <= 3 * MARKS_MAX; i++) {
		console_at(10 * i);
		marks_note(&host, ID, (int64_t)(60 * i));
	}
	assert_int_equal(stat(paths_run(&host, ID, MARKS_FILE, path), &st), 0);
	assert_true(st.st_size <= 16 * (MARKS_MAX + 1));
	expect_before(60 * 3 * MARKS_MAX, 30 * MARKS_MAX);
	expect_before(60, 0); /* forgotten: all that there is */
}

static void what_is_no_such_file(void **state)
{
	char path[PATHS_SIZE];
	uint64_t written;
	struct err err;

	(void)state;
	marks_note(&host, ID, 60); /* no console: nothing to mark */
	expect_before(60, 0);
	assert_int_equal(truncate(paths_run(&host, ID, MARKS_FILE, path), 3), 0);
	assert_int_equal(marks_before(&host, ID, 60, &written, &err), -1);
	console_at(100);
	marks_note(&host, ID, 60); /* left alone */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(marks_before(&host, ID, 60, &written, &err), -1);
	assert_int_equal(marks_make(&host, ID, getgid(), &err), 0);
	assert_int_equal(marks_make(&host, ID, getgid(), &err), -1); /* somebody's already */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(since_begins_at_the_last_mark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_silent_minute_makes_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_file_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_such_file, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
