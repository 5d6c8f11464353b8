/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Specs, locks, status and names on disk; the initrd's configuration archive. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/initrd.h"
#include "store/deadline.h"
#include "store/entry.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"

#define ID "0123456789abcdef"

#define CROWD	    6
#define CROWD_LOOKS 400
#define CROWD_START 1000000

#define SHARED_SIZE   65536
#define SHARED_WRITES 60

static char dir[64];
static struct spec spec;

static int set_up(void **state)
{
	struct err err;

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/mayfly-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	memset(&spec, 0, sizeof(spec));
	spec = (struct spec){ .magic = SPEC_MAGIC,
			      .version = SPEC_VERSION,
			      .size = sizeof(spec),
			      .id = ID,
			      .name = "web",
			      .vcpus = 1,
			      .memory_bytes = 64 << 20,
			      .created_s = 1,
			      .deadline_s = 2,
			      .kernel = "/k",
			      .initrd = "/i",
			      .image = "/b",
			      .authorized_keys = "key one\n",
			      .host_key = "secret\n",
			      .hostname = "web",
			      .account = "project" };
	spec.host.slot_count = 4;
	spec.host.uid_base = 100000;
	(void)snprintf(spec.host.state_dir, sizeof(spec.host.state_dir), "%s/s", dir);
	(void)snprintf(spec.host.run_dir, sizeof(spec.host.run_dir), "%s/r", dir);
	(void)snprintf(spec.host.monitor, sizeof(spec.host.monitor), "/m");
	return paths_make(&spec.host, &err);
}

static int tear_down(void **state)
{
	char cmd[128];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void test_spec_round(void **state)
{
	static struct spec back;
	char path[PATHS_SIZE];
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(spec_write_spool(&spec, &err), 0);
	assert_int_equal(stat(paths_spool(&spec.host, ID, path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(spec_read(path, &back, &err), 0);
	assert_memory_equal(&back, &spec, sizeof(spec));
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(spec_read(path, &back, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(spec_read(path, &back, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_spec_refused(void **state)
{
	static struct spec bad;
	struct err err;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		bad = spec;                                                                        \
		change;                                                                            \
		assert_int_equal(spec_check(&bad, &err), -1);                                      \
		assert_int_equal(err.code, ERR_USAGE);                                             \
	} while (0)
	(void)state;
	assert_int_equal(spec_check(&spec, &err), 0);
	REFUSED(bad.magic ^= 1);
	REFUSED(bad.size--);
	REFUSED(bad.id[0] = 'G');
	REFUSED(bad.name[0] = '-');
	REFUSED(bad.name[0] = '\0');
	REFUSED(memcpy(bad.name, "../../etc", 10));
	REFUSED(memset(bad.name, 'a', sizeof(bad.name)));
	REFUSED(memset(bad.authorized_keys, 'a', sizeof(bad.authorized_keys)));
	REFUSED(memset(bad.host.state_dir, '/', sizeof(bad.host.state_dir)));
	REFUSED(bad.kernel[0] = 'k');
	REFUSED(bad.vcpus = 0);
	REFUSED(bad.vcpus = 9);
	REFUSED(bad.memory_bytes = 1 << 20);
	REFUSED(bad.memory_bytes++);
	REFUSED(bad.deadline_s = 0);
	REFUSED(bad.host.slot_count = 0);
	REFUSED(bad.host.uid_base = UINT32_MAX - 1);
	REFUSED(memset(bad.resolvers[2], '1', sizeof(bad.resolvers[2])));
}

static void test_locks(void **state)
{
	char path[PATHS_SIZE];
	struct err err;
	int fd, status;
	pid_t pid;

	(void)state;
	fd = lock_claim(&spec.host, ID, &err);
	assert_true(fd >= 0);
	(void)paths_run(&spec.host, ID, "lock", path);
	assert_true(lock_is_held(path));
	assert_int_equal(lock_claim(&spec.host, ID, &err), -1);
	assert_int_equal(err.os_errno, EAGAIN);
	(void)close(fd);
	assert_false(lock_is_held(path));
	/* a lock ends with its holder */
	pid = fork();
	if (pid == 0)
		_exit(lock_take(path, LOCK_TRY, &err) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(lock_is_held(path));
	assert_false(lock_is_held("/nonexistent/lock"));
}

static void test_status_and_end(void **state)
{
	struct status_record status = { .phase = STATUS_RUNNING, .keeper_pid = 7 }, back;
	char path[PATHS_SIZE];
	struct end_record end;
	struct err err;

	(void)state;
	assert_int_equal(mkdir(paths_run(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(mkdir(paths_sandbox(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(status_read(&spec.host, ID, &back, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(status_write(&spec.host, ID, &status, &err), 0);
	assert_int_equal(status_read(&spec.host, ID, &back, &err), 0);
	assert_int_equal(back.keeper_pid, 7);
	assert_int_equal(status_write_end(&spec.host, ID, END_OOM, "all of it", &err), 0);
	assert_int_equal(status_read_end(&spec.host, ID, &end, &err), 0);
	assert_int_equal(end.reason, END_OOM);
	assert_string_equal(end.text, "all of it");
	for (uint32_t r = 1; r < END_REASONS; r++)
		assert_int_equal(status_reason_from_word(status_reason_word(r)), r);
	assert_string_equal(status_reason_word(0), "unknown");
	assert_string_equal(status_reason_word(99), "unknown");
	assert_int_equal(status_reason_from_word("nonsense"), 0);
}

static void test_find(void **state)
{
	char path[PATHS_SIZE], id[ID_SIZE];
	struct err err;

	(void)state;
	assert_int_equal(entry_find(&spec.host, "web", id, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(mkdir(paths_sandbox(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(symlink("../sandboxes/" ID, paths_name(&spec.host, "web", path)), 0);
	assert_int_equal(entry_find(&spec.host, "web", id, &err), 0);
	assert_string_equal(id, ID);
	assert_int_equal(entry_find(&spec.host, "0123", id, &err), 0);
	assert_int_equal(entry_find(&spec.host, "012", id, &err), -1);
	assert_int_equal(entry_find(&spec.host, "../web", id, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	/* two that begin alike are none */
	assert_int_equal(mkdir(paths_sandbox(&spec.host, "0123ffffffffffff", NULL, path), 0700), 0);
	assert_int_equal(entry_find(&spec.host, "0123", id, &err), -1);
}

static void test_clock_file(void **state)
{
	struct deadline_now now = { .real_s = 5000, .boot_s = 100, .boot_id = "a" };
	struct clock_record clock;
	char path[PATHS_SIZE];
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(deadline_clock(&spec.host, &now, true, &clock, &err), 0);
	assert_int_equal(access(paths_state(&spec.host, "clock", path), F_OK), -1);
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), 0);
	assert_int_equal(clock.high_s, 5000);
	now.real_s = 4000;
	now.boot_s = 200;
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), 0);
	assert_int_equal(clock.high_s, 5000);
	/* a damaged one is none, never an obstacle */
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), 0);
	assert_int_equal(clock.high_s, 4000);
}

/* Its own record is lost: the journal's last date that held. */
static void test_lost_date(void **state)
{
	static struct store_entry entry;
	char path[PATHS_SIZE];
	struct err err;
	int journal;

	(void)state;
	assert_int_equal(mkdir(paths_sandbox(&spec.host, ID, NULL, path), 0700), 0);
	assert_int_equal(spec_write_sandbox(&spec, &err), 0);
	journal = journal_open(&spec.host, ID, true, &err);
	assert_int_equal(journal_event(journal, &err, "renewed until=2026-12-01T00:00:00Z by=a"),
			 0);
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry.deadline.deadline_s, 1796083200);
	assert_int_equal(journal_event(journal, &err, "renewed until=2027-12-01T00:00:00Z by=b"),
			 0);
	assert_int_equal(journal_event(journal, &err, "renewal failed: no room"), 0);
	assert_int_equal(entry_load(&spec.host, ID, &entry, &err), 0);
	assert_int_equal(entry.deadline.deadline_s, 1796083200);
	(void)close(journal);
}

/* A clock that leaps forward and back, looked at by one of many keepers: what the file says is never a lost mark. */
static int look_at_leaps(const char *boot_id)
{
	struct deadline_now now = { .boot_s = 1000 };
	struct clock_record clock;
	struct err err;

	(void)strcpy(now.boot_id, boot_id);
	for (int i = 0; i < CROWD_LOOKS; i++) {
		now.real_s = i % 2 ? CROWD_START : CROWD_START + 365 * 86400;
		if (deadline_clock(&spec.host, &now, false, &clock, &err) < 0)
			return 1;
		if (clock.high_s > CROWD_START + 86400)
			return 2;
	}
	return 0;
}

static void test_clock_file_in_a_crowd(void **state)
{
	struct deadline_now now = { .real_s = CROWD_START, .boot_s = 1000, .boot_id = "one" };
	struct clock_record clock;
	char path[PATHS_SIZE];
	pid_t pids[CROWD];
	struct err err;
	int worst = 0;

	(void)state;
	assert_int_equal(deadline_clock(&spec.host, &now, false, &clock, &err), 0);
	for (size_t i = 0; i < CROWD; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(look_at_leaps(now.boot_id));
	}
	for (size_t i = 0; i < CROWD; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		worst = status > worst ? status : worst;
	}
	assert_int_equal(worst, 0);
	assert_int_equal(access(paths_state(&spec.host, "clock.new", path), F_OK), -1);
}

/* Each writes what is as long as the others', and reads: never a part of each. */
static int write_and_look(int dir_fd, char own)
{
	static char bytes[SHARED_SIZE], found[SHARED_SIZE];
	struct err err;

	memset(bytes, own, sizeof(bytes));
	for (int i = 0; i < SHARED_WRITES; i++) {
		if (fd_replace_shared(dir_fd, "shared", 0600, bytes, sizeof(bytes), &err) < 0 ||
		    fd_read_file(dir_fd, "shared", found, sizeof(found), &err) !=
			    (ssize_t)sizeof(found))
			return 1;
		for (size_t at = 1; at < sizeof(found); at++)
			if (found[at] != found[0])
				return 2;
	}
	return 0;
}

static void test_shared_file(void **state)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), worst = 0;
	pid_t pids[CROWD];

	(void)state;
	assert_int_equal(write_and_look(dir_fd, 'z'), 0);
	for (size_t i = 0; i < CROWD; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(write_and_look(dir_fd, (char)('a' + i)));
	}
	for (size_t i = 0; i < CROWD; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		worst = status > worst ? status : worst;
	}
	assert_int_equal(worst, 0);
	assert_int_equal(faccessat(dir_fd, "shared.new", F_OK, 0), -1);
	assert_int_equal(unlinkat(dir_fd, "shared", 0), 0);
	assert_int_equal(close(dir_fd), 0);
}

static void test_initrd(void **state)
{
	struct slot_plan plan = { .host_ipv4 = 0x0a530002,
				  .guest_ipv4 = 0x0a530003,
				  .guest_ipv6 = { 0xfd } };
	struct guest_config config;
	char path[PATHS_SIZE], buf[4096];
	struct err err;
	ssize_t n;
	int base, fd;

	(void)state;
	spec.flags = SPEC_NET;
	(void)snprintf(spec.resolvers[0], sizeof(spec.resolvers[0]), "9.9.9.9");
	(void)snprintf(spec.resolvers[1], sizeof(spec.resolvers[1]), "2620:fe::fe");
	initrd_config(&spec, &plan, 1234, 5678, &config);
	assert_int_equal(config.flags, GUEST_HAS_IPV4);
	assert_memory_equal(config.ipv4, "\x0a\x53\x00\x03", 4);
	assert_memory_equal(config.ipv4_gateway, "\x0a\x53\x00\x02", 4);
	assert_memory_equal(config.resolvers[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x09\x09\x09\x09",
			    16);
	assert_int_equal(config.resolvers[1][0], 0x26);
	(void)snprintf(path, sizeof(path), "%s/base", dir);
	base = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(base, "odd", 3), 3);
	fd = initrd_make(base, &config, &spec, &err);
	assert_true(fd >= 0);
	n = pread(fd, buf, sizeof(buf), 0);
	assert_memory_equal(buf, "odd\0", 4);
	assert_memory_equal(buf + 4, "070701", 6);
	assert_int_equal(n % 4, 0);
	assert_memory_equal(buf + 4 + 110, GUEST_CONFIG_PATH, sizeof(GUEST_CONFIG_PATH));
	assert_memory_equal(buf + 4 + 124, &config, sizeof(config));
	assert_memory_equal(buf + 4 + 124 + sizeof(config), "key one\nsecret\n", 15);
	assert_int_equal(write(fd, "x", 1), -1); /* sealed */
	(void)close(fd);
	(void)close(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_spec_round, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_spec_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_status_and_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clock_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost_date, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clock_file_in_a_crowd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shared_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_initrd, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
