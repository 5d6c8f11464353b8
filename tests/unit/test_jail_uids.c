/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jail/uids.h"

#define BASE  300000u
#define COUNT 1000u

/* A file with this content, checked in the place of one of the four. */
enum place { PASSWD, GROUP, SUBUID, SUBGID };

static int check_with(enum place place, const char *content, uint32_t base, uint32_t count,
		      struct err *err)
{
	char path[] = "/tmp/mayfly-test-uids-XXXXXX";
	struct uids_files files = { 0 };
	int fd = mkstemp(path);
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	(void)close(fd);
	*(place == PASSWD   ? &files.passwd
	  : place == GROUP  ? &files.group
	  : place == SUBUID ? &files.subuid
			    : &files.subgid) = path;
	rc = uids_check(base, count, &files, err);
	(void)unlink(path);
	return rc;
}

static void expect_free(enum place place, const char *content)
{
	struct err err = { .text = "" };

	if (check_with(place, content, BASE, COUNT, &err) < 0)
		fail_msg("refused: %s", err.text);
}

static void expect_taken(enum place place, const char *content, const char *line, const char *who)
{
	struct err err = { .text = "" };

	assert_int_equal(check_with(place, content, BASE, COUNT, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.text, line));
	assert_non_null(strstr(err.text, who));
	assert_non_null(strstr(err.text, "300000-300999"));
}

static void test_account_in_the_range(void **state)
{
	(void)state;
	expect_taken(PASSWD, "root:x:0:0::/root:/bin/sh\neve:x:300000:300000::/:/bin/sh\n",
		     ":2:", "\"eve\"");
	expect_taken(PASSWD, "eve:x:300999:1::/:/bin/sh", ":1:", "\"eve\"");
	expect_taken(GROUP, "# groups\n\nusers:x:100:\nlab:x:300500:eve,mallory\n",
		     ":4:", "\"lab\"");
}

static void test_account_beside_the_range(void **state)
{
	(void)state;
	expect_free(PASSWD, "a:x:299999:0::/:\nb:x:301000:0::/:\nroot:x:0:0::/root:/bin/sh\n");
	expect_free(
		PASSWD,
		"gid:x:1000:300000::/:/bin/sh\n"); /* a primary group is the group file's matter */
	expect_free(GROUP, "a:x:299999:\nb:x:301000:\n");
}

static void test_subordinate_range(void **state)
{
	(void)state;
	expect_taken(SUBUID, "eve:100000:65536\nmallory:299000:1001\n", ":2:", "\"mallory\"");
	expect_taken(SUBUID, "big:0:4294967295\n", ":1:", "\"big\"");
	expect_taken(SUBGID, "inner:300500:1\n", ":1:", "\"inner\"");
	expect_taken(SUBGID, "last:300999:65536\n", ":1:", "\"last\"");
	expect_free(SUBUID, "below:100000:200000\nabove:301000:65536\n");
	expect_free(SUBUID, "empty:300500:0\n");
}

static void test_lines_that_claim_nothing(void **state)
{
	(void)state;
	expect_free(PASSWD, "");
	expect_free(
		PASSWD,
		"+::::::\n#eve:x:300000:0::/:\nno colons\neve:x\neve:x:\neve:x:300000abc:0::/:\n");
	expect_free(PASSWD, "eve:x:-300000:0::/:\neve:x:99999999999999999999999999:0::/:\n");
	expect_free(SUBUID, "eve:300000\neve:300000:\neve::300000\n#eve:300000:10\n");
}

static void test_ids_with_a_meaning(void **state)
{
	const struct uids_files none = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(uids_check(0, 10, &none, &err), -1);
	assert_int_equal(uids_check(65000, 1000, &none, &err), -1);
	assert_non_null(strstr(err.text, "65535"));
	assert_int_equal(uids_check(4294967290u, 6, &none, &err), -1);
	assert_int_equal(uids_check(4294967290u, 100, &none, &err), -1);
	assert_int_equal(uids_check(BASE, 0, &none, &err), -1);
	assert_int_equal(uids_check(4294967290u, 5, &none, &err), 0);
	assert_int_equal(uids_check(65536, 1, &none, &err), 0);
}

static void test_absent_files(void **state)
{
	const struct uids_files absent = { "/nowhere/p", "/nowhere/g", "/nowhere/u", "/nowhere/s" };
	const struct uids_files bad = { .passwd = "/tmp" };
	struct err err;

	(void)state;
	assert_int_equal(uids_check(BASE, COUNT, &absent, &err), 0);
	assert_int_equal(uids_check(BASE, COUNT, &bad, &err),
			 -1); /* can't be read: nothing is known, so no */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_account_in_the_range),
		cmocka_unit_test(test_account_beside_the_range),
		cmocka_unit_test(test_subordinate_range),
		cmocka_unit_test(test_lines_that_claim_nothing),
		cmocka_unit_test(test_ids_with_a_meaning),
		cmocka_unit_test(test_absent_files),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
