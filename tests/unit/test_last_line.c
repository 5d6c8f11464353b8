/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* The line of a guest's console that tells why it ended, and the tail that is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proto/launch.h"
#include "keeper/console.h"
#include "store/paths.h"

#define ID   "0123456789abcdef"
#define RING 4096

static struct host_config host;
static char dir[64];

static int set_up(void **state)
{
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/mayfly-console-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%s/s", dir);
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s/r", dir);
	return paths_make(&host, &err) < 0 || mkdir(paths_run(&host, ID, NULL, path), 0700) < 0 ||
	       mkdir(paths_sandbox(&host, ID, NULL, path), 0700) < 0;
}

static int tear_down(void **state)
{
	char command[80];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* A ring into which text came behind `before` other bytes; its head says `more` bytes more than that. */
static void say(size_t before, const char *text, uint64_t more)
{
	static char ring[RING];
	struct launch_ring head = { .written = before + strlen(text) + more, .size = RING };
	char path[PATHS_SIZE];
	int fd = open(paths_run(&host, ID, "console", path), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	memset(ring, '.', sizeof(ring));
	for (size_t i = 0; text[i]; i++)
		ring[(before + i) % RING] = text[i];
	assert_int_equal(fd_write_all(fd, &head, sizeof(head)), 0);
	assert_int_equal(fd_write_all(fd, ring, sizeof(ring)), 0);
	(void)close(fd);
}

static const char *last(const char *text)
{
	static char line[128];

	say(0, text, 0);
	console_last_line(&host, ID, line, sizeof(line));
	return line;
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(last("mayfly-init: no root\r\nmayfly-init: ending: root: EROFS\r\n"
				 "[    0.7] reboot: Restarting system\r\n"),
			    "mayfly-init: ending: root: EROFS");
	assert_string_equal(last("[ 0.5] Kernel panic - not syncing: VFS: no root\r\n"
				 "[ 0.5] Call Trace:\r\n[ 0.5]  <TASK>\r\n[ 0.5]  panic+0x31\r\n"
				 "[ 0.5] Kernel Offset: disabled\r\n"
				 "[ 0.5] ---[ end Kernel panic - not syncing: VFS: no root ]---"),
			    "[ 0.5] Kernel panic - not syncing: VFS: no root");
	assert_string_equal(last("one line"), "one line");
	assert_string_equal(last("one\n\n  \r\n\n"), "one");
}

static void test_nothing(void **state)
{
	char line[128], path[PATHS_SIZE];

	(void)state;
	assert_string_equal(last(""), "");
	assert_string_equal(last("\r\n\n \n"), "");
	assert_string_equal(last("reboot: Power down\n"), "");
	(void)unlink(paths_run(&host, ID, "console", path));
	console_last_line(&host, ID, line, sizeof(line));
	assert_string_equal(line, "");
}

/* Nothing of it goes to a terminal as it is, nor at any length. */
static void test_hostile(void **state)
{
	char line[16];

	(void)state;
	assert_string_equal(last("\033[2Jgone\x9b\001\n"), "?[2Jgone??");
	say(0, "a line that is longer than its room\n", 0);
	console_last_line(&host, ID, line, sizeof(line));
	assert_string_equal(line, "a line that is ");
	say(0, "x\n", UINT64_MAX - 7); /* what is written wraps: 2^64 - 6 bytes, they say */
	console_last_line(&host, ID, line, sizeof(line));
	assert_int_equal(strlen(line), sizeof(line) - 1);
}

static void test_wrapped(void **state)
{
	char line[128], path[PATHS_SIZE], kept[RING + 1];
	struct err err;

	(void)state;
	say(3 * RING - 5, "\nsays why\n", 0);
	console_last_line(&host, ID, line, sizeof(line));
	assert_string_equal(line, "says why");
	console_keep(&host, ID);
	assert_int_equal(fd_read_file(AT_FDCWD, paths_sandbox(&host, ID, "console-tail", path),
				      kept, RING, &err),
			 RING);
	assert_memory_equal(kept + RING - 10, "\nsays why\n", 10);
	assert_int_equal(kept[0], '.');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reasons, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrapped, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
