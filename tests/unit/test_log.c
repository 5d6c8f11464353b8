/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* The file that a keeper's lines are kept in: with times, bounded, gone when its sandbox is. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

static char folder[] = "/tmp/mayfly-log-XXXXXX";

static const char *path(const char *file)
{
	static char text[128];

	(void)snprintf(text, sizeof(text), "%s/%s", folder, file);
	return text;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	(void)unlink(path(LOG_FILE));
	(void)unlink(path(LOG_FILE_OLD));
	return log_keep(folder, &err);
}

static void a_line_has_its_time(void **state)
{
	char bytes[128] = "";
	int fd = open(path(LOG_FILE), O_RDONLY);
	struct stat st;
	int64_t at_s;

	(void)state;
	log_note("it %s", "runs");
	assert_true(read(fd, bytes, sizeof(bytes) - 1) > 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_non_null(strchr(bytes, ' '));
	assert_string_equal(strchr(bytes, ' '), " it runs\n");
	*strchr(bytes, ' ') = '\0';
	assert_true(str_to_instant(bytes, &at_s));
	assert_true(at_s <= time(NULL) && at_s > time(NULL) - 60);
	fd_close(&fd);
}

static void it_is_bounded(void **state)
{
	struct stat now, old;

	(void)state;
	for (int i = 0; i < 20000; i++)
		log_note("line %d of many", i);
	assert_int_equal(stat(path(LOG_FILE), &now), 0);
	assert_int_equal(stat(path(LOG_FILE_OLD), &old), 0);
	assert_true(now.st_size > 0 && now.st_size < LOG_FILE_BYTES + 1200);
	assert_true(old.st_size >= LOG_FILE_BYTES && old.st_size < LOG_FILE_BYTES + 1200);
}

static void nothing_comes_back(void **state)
{
	(void)state;
	assert_int_equal(unlink(path(LOG_FILE)), 0);
	for (int i = 0; i < 10000; i++)
		log_note("nobody is there any more");
	assert_int_equal(access(path(LOG_FILE), F_OK), -1);
	assert_int_equal(access(path(LOG_FILE_OLD), F_OK), -1);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_line_has_its_time),
		T(it_is_bounded),
		T(nothing_comes_back),
	};
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = cmocka_run_group_tests_name("log", tests, NULL, NULL);
	(void)unlink(path(LOG_FILE));
	(void)unlink(path(LOG_FILE_OLD));
	return rmdir(folder) == 0 ? rc : 1;
}
