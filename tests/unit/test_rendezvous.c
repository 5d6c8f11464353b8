/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Where a keeper finds the CLI that waits for it: one listener an id, and a dead one told from a living one without touching it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/paths.h"
#include "store/rendezvous.h"

#define ID "0123456789abcdef"

static struct host_config host;

static int set_up(void **state)
{
	char dir[] = "/tmp/mayfly-rendezvous-XXXXXX", *long_name;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	memset(&host, 0, sizeof(host));
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%s", dir);
	/* longer than a socket address */
	long_name = host.run_dir + snprintf(host.run_dir, sizeof(host.run_dir), "%s/", dir);
	memset(long_name, 'r', 120);
	return 0;
}

static int tear_down(void **state)
{
	char cmd[SPEC_PATH_SIZE + 16];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", host.state_dir);
	return system(cmd);
}

static bool is_there(void)
{
	char path[PATHS_SIZE], progress[PATHS_SIZE + ID_SIZE + 1];

	(void)snprintf(progress, sizeof(progress), "%s/%s", paths_run_dir(&host, "progress", path),
		       ID);
	return access(progress, F_OK) == 0;
}

static void test_meet(void **state)
{
	auto_fd listener = -1, keeper = -1, accepted = -1;
	char path[PATHS_SIZE], word[8] = "";
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(rendezvous_connect(&host, ID), -1);
	listener = rendezvous_listen(&host, ID, &err);
	assert_true(listener >= 0);
	assert_int_equal(stat(paths_run_dir(&host, "progress", path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	keeper = rendezvous_connect(&host, ID);
	if (geteuid() == 0) { /* a listener that isn't root is refused */
		assert_true(keeper >= 0);
		accepted = accept(listener, NULL, NULL);
		assert_int_equal(send(keeper, "here", 5, 0), 5);
		assert_int_equal(recv(accepted, word, sizeof(word), 0), 5);
		assert_string_equal(word, "here");
	} else {
		assert_int_equal(keeper, -1);
	}
	rendezvous_leave(&host, ID);
	assert_false(is_there());
	assert_int_equal(rendezvous_connect(&host, ID), -1);
}

static void test_one_alone(void **state)
{
	auto_fd first = rendezvous_listen(&host, ID, &(struct err){ 0 }), again = -1;
	struct err err = { 0 };

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(rendezvous_listen(&host, ID, &err), -1);
	assert_string_equal(err.text, "somebody else is starting it");
	/* a look leaves nothing to accept */
	assert_false(rendezvous_is_dead(&host, ID));
	assert_int_equal(accept(first, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	fd_close(&first);
	assert_true(is_there());
	assert_true(rendezvous_is_dead(&host, ID));
	again = rendezvous_listen(&host, ID, &err);
	assert_true(again >= 0);
	assert_false(rendezvous_is_dead(&host, ID));
	rendezvous_leave(&host, ID);
	assert_false(rendezvous_is_dead(&host, ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_meet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_alone, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
