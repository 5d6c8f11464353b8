/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A record that can't be read is neither absent nor damaged: nothing is decided, granted or written as if it were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/deadline.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/rest.h"
#include "store/spec.h"
#include "store/status.h"
#include "store/totals.h"

#define ID	"0123456789abcdef"
#define OTHER	"fedcba9876543210"
#define FAR_S	4000000000
#define GRANT_S 500

static char dir[64];
static struct spec spec;
static struct store_entry entry;

/* One that is stopped, with a name. */
static int set_up(void **state)
{
	struct deadline_now now = { .real_s = FAR_S - GRANT_S, .boot_s = 1 };
	struct clock_record clock = { 0 };
	struct deadline_record rec = { 0 };
	char path[PATHS_SIZE];
	struct err err;
	int journal;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/mayfly-unread-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	spec = (struct spec){ .magic = SPEC_MAGIC,
			      .version = SPEC_VERSION,
			      .size = sizeof(spec),
			      .flags = SPEC_DURABLE,
			      .id = ID,
			      .name = "web",
			      .vcpus = 1,
			      .memory_bytes = 64 << 20,
			      .disk_bytes = 8 << 20,
			      .created_s = 1,
			      .deadline_s = FAR_S,
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
	assert_int_equal(symlink("../sandboxes/" ID, paths_name(&spec.host, "web", path)), 0);
	assert_int_equal(spec_write_sandbox(&spec, &err), 0);
	assert_int_equal(deadline_now(&now, &err), 0);
	deadline_grant(&rec, &clock, &now, FAR_S);
	rec.granted_s = GRANT_S;
	assert_int_equal(deadline_write(&spec.host, ID, &rec, &err), 0);
	assert_int_equal(status_write_end(&spec.host, ID, END_STOPPED, "", &err), 0);
	journal = journal_open(&spec.host, ID, true, &err);
	assert_int_equal(journal_event(journal, &err, "ready"), 0);
	return close(journal);
}

static int tear_down(void **state)
{
	char cmd[128];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

/* What is at path can't be reached from now on (ELOOP, for root too), and can again. */
static void hide(const char *path)
{
	char aside[PATHS_SIZE + 8];

	(void)snprintf(aside, sizeof(aside), "%s.aside", path);
	if (access(path, F_OK) == 0)
		assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(path, path), 0);
}

static void bring_back(const char *path)
{
	char aside[PATHS_SIZE + 8];

	(void)snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(unlink(path), 0);
	if (access(aside, F_OK) == 0)
		assert_int_equal(rename(aside, path), 0);
}

static void test_clock(void **state)
{
	struct deadline_now now = { .real_s = 5000, .boot_s = 100, .boot_id = "a" };
	struct deadline_record rec = { .deadline_s = 6000, .granted_s = 1000, .boot_start_s = 100 };
	struct deadline_verdict verdict;
	struct clock_record clock;
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	(void)strcpy(rec.boot_id, "a");
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), 0);
	hide(paths_state(&spec.host, "clock", path));
	/* a leap past the date, nobody knows since when: it is over, and its disk stays */
	now.real_s = 1000000;
	now.boot_s = 300;
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), -1);
	assert_int_equal(clock.magic, 0);
	verdict = deadline_check(&rec, &clock, &now);
	assert_true(verdict.expired);
	assert_false(verdict.confirmed);
	/* elapsed time still ends it for good */
	now.boot_s = 1200;
	verdict = deadline_check(&rec, &clock, &now);
	assert_true(verdict.confirmed);
	/* and the mark is as it was */
	bring_back(path);
	now.real_s = 4000;
	now.boot_s = 400;
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), 0);
	assert_int_equal(clock.high_s, 5000);
}

static void test_directory(void **state)
{
	char path[PATHS_SIZE], id[ID_SIZE];
	struct err err;

	(void)state;
	hide(paths_sandbox(&spec.host, ID, NULL, path));
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), -1);
	assert_int_not_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(rest_take(&spec.host, ID, false, &entry, &err), -1);
	assert_int_not_equal(err.code, ERR_NOT_FOUND);
	bring_back(path);
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry_load(&spec.host, OTHER, &entry, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	/* the directory of its name */
	hide(paths_state(&spec.host, "names", path));
	assert_int_equal(entry_find(&spec.host, "web", id, &err), -1);
	assert_int_not_equal(err.code, ERR_NOT_FOUND);
}

/* The date that is told goes on, by nothing that isn't known, and nobody takes it up. */
static void test_date(void **state)
{
	char path[PATHS_SIZE], journal[PATHS_SIZE];
	struct err err;
	int fd;

	(void)state;
	hide(paths_sandbox(&spec.host, ID, "deadline", path));
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry.unread.code, ERR_FAILED);
	assert_int_equal(entry.unread.os_errno, ELOOP);
	assert_true(entry.unread_deadline && entry.has_deadline);
	assert_int_equal(entry.deadline.deadline_s, FAR_S);
	assert_int_equal(entry.deadline.flags, DEADLINE_MARK_AHEAD);
	assert_int_equal(rest_take(&spec.host, ID, false, &entry, &err), -1);
	assert_int_equal(err.os_errno, ELOOP);
	/* without the journal there may be a later one */
	hide(paths_sandbox(&spec.host, ID, "journal", journal));
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_false(entry.has_deadline);
	bring_back(journal);
	bring_back(path);
	fd = rest_take(&spec.host, ID, false, &entry, &err);
	assert_true(fd >= 0);
	assert_int_equal(entry.deadline.granted_s, GRANT_S);
	lock_unclaim(&spec.host, ID, &fd);
}

/* Its keeper has the spec and hasn't granted it its life yet: a host's mark that is ahead, which no grant could note, ends nothing. */
static void test_before_its_grant(void **state)
{
	struct clock_record mark = { 0 };
	struct status_record status = { .phase = STATUS_CREATING };
	struct deadline_now now, later;
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	assert_int_equal(unlink(paths_sandbox(&spec.host, ID, "deadline", path)), 0);
	assert_int_equal(deadline_now(&now, &err), 0);
	later = now;
	later.real_s = FAR_S + 1;
	deadline_observe(&mark, &later); /* the clock stood there once */
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_true(deadline_check(&entry.deadline, &mark, &now).expired);
	assert_int_equal(mkdir(paths_run(&spec.host, ID, NULL, path), 0700), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(status_write(&spec.host, ID, &status, &err), 0);
		assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
		assert_true(entry.has_deadline);
		assert_false(deadline_check(&entry.deadline, &mark, &now).expired);
		status.phase = STATUS_ENDING;
	}
}

static void test_each_record(void **state)
{
	static const char *const names[] = { "spec", "deadline", "end", "journal" };
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry.unread.code, ERR_NONE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		hide(paths_sandbox(&spec.host, ID, names[i], path));
		assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
		assert_int_equal(entry.unread.os_errno, ELOOP);
		assert_int_equal(rest_take(&spec.host, ID, true, &entry, &err), -1);
		bring_back(path);
		/* absent is an answer */
		(void)paths_sandbox(&spec.host, ID, names[i], path);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
		assert_int_equal(entry.unread.code, ERR_NONE);
	}
}

static void test_lock(void **state)
{
	char path[PATHS_SIZE], run[PATHS_SIZE];
	struct err err;

	(void)state;
	assert_int_equal(mkdir(paths_run(&spec.host, ID, NULL, run), 0700), 0);
	assert_int_equal(lock_look(paths_run(&spec.host, ID, "lock", path), &err), 0);
	hide(path);
	assert_int_equal(lock_look(path, &err), -1);
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry.unread.os_errno, ELOOP);
	bring_back(path);
	hide(paths_run(&spec.host, ID, "status", path));
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry.unread.os_errno, ELOOP);
}

/* What can't be counted leaves no room. */
static void test_totals(void **state)
{
	struct status_record status = { .phase = STATUS_RUNNING, .vcpus = 2, .memory_mib = 64 };
	char path[PATHS_SIZE];
	struct totals totals;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_KEPT, &totals, &err), 0);
	assert_int_equal(totals.disk_mib, 8);
	hide(paths_sandbox(&spec.host, ID, "spec", path));
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_KEPT, &totals, &err), -1);
	bring_back(path);
	hide(paths_sandbox(&spec.host, ID, NULL, path));
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_KEPT, &totals, &err), -1);
	bring_back(path);
	/* one that leads nowhere is nobody's */
	assert_int_equal(symlink("../sandboxes/" OTHER, paths_name(&spec.host, "old", path)), 0);
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_KEPT, &totals, &err), 0);
	assert_int_equal(totals.sandboxes, 1);

	assert_int_equal(mkdir(paths_run(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(status_write(&spec.host, ID, &status, &err), 0);
	fd = lock_take(paths_slot(&spec.host, 3, path), LOCK_TRY, &err);
	assert_int_equal(write(fd, ID, ID_LEN), ID_LEN);
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_RUNNING, &totals, &err), 0);
	/* locks of one process's descriptors exclude each other too */
	assert_int_equal(totals.cpus, 2);
	hide(path);
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_RUNNING, &totals, &err), -1);
	bring_back(path);
	hide(paths_run(&spec.host, ID, "status", path));
	assert_int_equal(totals_look(&spec.host, OTHER, TOTALS_RUNNING, &totals, &err), -1);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_date, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_before_its_grant, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_totals, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
