/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Who may change the spec of a durable sandbox, and when. */
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/rest.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"

#define ID "0123456789abcdef"

static char dir[64];
static struct spec spec;

static int set_up(void **state)
{
	struct status_record status = { .phase = STATUS_RUNNING };
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/mayfly-rest-XXXXXX");
	assert_non_null(mkdtemp(dir));
	spec = (struct spec){ .magic = SPEC_MAGIC,
			      .version = SPEC_VERSION,
			      .size = sizeof(spec),
			      .flags = SPEC_DURABLE,
			      .id = ID,
			      .name = "web",
			      .vcpus = 1,
			      .memory_bytes = 64 << 20,
			      .created_s = 1,
			      .deadline_s = 2,
			      .kernel = "/k",
			      .initrd = "/i",
			      .image = "/b",
			      .hostname = "web",
			      .account = "project" };
	spec.host.slot_count = 4;
	spec.host.uid_base = 100000;
	(void)snprintf(spec.host.state_dir, sizeof(spec.host.state_dir), "%s/s", dir);
	(void)snprintf(spec.host.run_dir, sizeof(spec.host.run_dir), "%s/r", dir);
	(void)snprintf(spec.host.monitor, sizeof(spec.host.monitor), "/m");
	assert_int_equal(paths_make(&spec.host, &err), 0);
	assert_int_equal(mkdir(paths_sandbox(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(mkdir(paths_run(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(spec_write_sandbox(&spec, &err), 0);
	return status_write(&spec.host, ID, &status, &err);
}

static int tear_down(void **state)
{
	char cmd[128];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static int one_more(struct spec *changed, void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	changed->vcpus++;
	return 0;
}

static uint32_t vcpus(void)
{
	static struct spec now;
	char path[PATHS_SIZE];
	struct err err;

	assert_int_equal(spec_read(paths_sandbox(&spec.host, ID, "spec", path), &now, &err), 0);
	return now.vcpus;
}

static void running(void **state)
{
	char path[PATHS_SIZE];
	bool runs = false;
	struct err err;
	int lock = lock_take(paths_run(&spec.host, ID, "lock", path), LOCK_TRY, &err);

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(rest_change(&spec.host, "web", ID, one_more, NULL, &runs, &err), 0);
	assert_true(runs);
	assert_int_equal(vcpus(), 2);
	/* what a start wants of it is not for one that runs */
	assert_int_equal(rest_change(&spec.host, "web", ID, one_more, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.text, "runs already"));
	assert_int_equal(vcpus(), 2);
	(void)close(lock);
}

/* Until the parent stands before a lock of somebody's; where that can't be seen, for a while. */
static void await_parent(void)
{
	char path[64], text[64] = "";
	struct err err;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)getppid());
	for (int i = 0; i < 3000; i++) {
		if (fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &err) < 0) {
			(void)usleep(300000);
			return;
		}
		if (strtol(text, NULL, 10) == SYS_fcntl)
			return;
		(void)usleep(10000);
	}
}

/* Its keeper ends, and somebody is about to start it, between the look and the change. */
static void ended_meanwhile(void **state)
{
	char path[PATHS_SIZE], byte;
	bool runs = false;
	struct err err;
	int ready[2], claim, lock, status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		claim = lock_take(paths_run_dir(&spec.host, "claim.lock", path), LOCK_TRY, &err);
		lock = lock_take(paths_run(&spec.host, ID, "lock", path), LOCK_TRY, &err);
		(void)!write(ready[1], "", 1);
		await_parent();
		(void)unlink(paths_run(&spec.host, ID, "status", path));
		_exit(claim < 0 || lock < 0);
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(rest_change(&spec.host, "web", ID, one_more, NULL, &runs, &err), -1);
	assert_non_null(strstr(err.text, "try again"));
	assert_int_equal(vcpus(), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(running, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ended_meanwhile, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
