/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * A look's record may be stale, torn, another world's or somebody's who stands still: whatever it is, nobody who is there is
 * told as absent, and only a look that began after the question is taken.
 *
 * The slot that is there is this test's own uid; the next numbers up are nobody's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper/look.h"
#include "store/paths.h"

#define SLOTS  4096
#define NOBODY 3000 /* a slot that nothing runs in */

/* As keeper/look.c has it. */
struct record {
	uint64_t begun, done, view;
	uint32_t base, count;
	uint8_t bits[SLOTS / 8];
};

static struct host_config host;

static int set_up(void **state)
{
	char dir[] = "/tmp/mayfly-look-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	memset(&host, 0, sizeof(host));
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s", dir);
	host.uid_base = getuid();
	host.slot_count = SLOTS;
	return 0;
}

static int tear_down(void **state)
{
	char path[PATHS_SIZE];

	(void)state;
	(void)unlink(paths_run_dir(&host, look_file(LOOK_UIDS), path));
	return rmdir(host.run_dir);
}

static int look_of(uint32_t slot)
{
	struct err err = { 0 };

	return look(&host, LOOK_UIDS, host.uid_base + slot, &err);
}

static int record_fd(void)
{
	char path[PATHS_SIZE];
	int fd = open(paths_run_dir(&host, look_file(LOOK_UIDS), path),
		      O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static struct record record_now(void)
{
	struct record r = { 0 };
	int fd = record_fd();

	(void)!pread(fd, &r, sizeof(r), 0);
	(void)close(fd);
	return r;
}

/* One that would be good: it says that the first slot is empty and that NOBODY's isn't. */
static struct record record_of(uint64_t begun, uint64_t done)
{
	struct record r = {
		.begun = begun, .done = done, .base = host.uid_base, .count = host.slot_count
	};
	struct stat st;

	assert_int_equal(stat("/proc", &st), 0);
	r.view = st.st_dev;
	r.bits[NOBODY / 8] = 1u << NOBODY % 8;
	return r;
}

static void put(const struct record *r, size_t len)
{
	int fd = record_fd();

	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, r, len, 0), (ssize_t)len);
	(void)close(fd);
}

static bool lock_it(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_looks_itself(void **state)
{
	struct record r;

	(void)state;
	assert_int_equal(look_of(0), 1);
	assert_int_equal(look_of(NOBODY), 0);
	r = record_now();
	assert_int_equal(r.begun, 2);
	assert_int_equal(r.done, 2);
	assert_int_equal(r.bits[0] & 1, 1);
}

/* What was there before the question is no answer, also where its numbers make no sense. */
static void test_stale_and_torn_records_are_none(void **state)
{
	static const struct {
		uint64_t begun, done;
	} numbers[] = { { 5, 5 }, { 5, 4 },	     { 5, 0 },	       { 0, 5 },
			{ 1, 9 }, { 5, UINT64_MAX }, { 0, UINT64_MAX } };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct record r = record_of(numbers[i].begun, numbers[i].done);

		put(&r, sizeof(r));
		assert_int_equal(look_of(0), 1);
		put(&r, sizeof(r));
		assert_int_equal(look_of(NOBODY), 0);
	}
}

/* A file that ends anywhere; where not even its number can be read, it isn't begun anew. */
static void test_short_records_are_none(void **state)
{
	struct record r = record_of(7, 7);

	(void)state;
	for (size_t len = 0; len < 48; len += 4) {
		put(&r, len);
		assert_int_equal(look_of(0), 1);
	}
	put(&r, 4);
	assert_int_equal(look_of(0), 1);
	assert_int_equal(record_now().done, 0);
}

static void test_without_a_file(void **state)
{
	(void)state;
	(void)strcat(host.run_dir, "/none");
	assert_int_equal(look_of(0), 1);
	assert_int_equal(look_of(NOBODY), 0);
	*strrchr(host.run_dir, '/') = '\0';
}

/* A process that holds the lock. With a record it writes that once somebody may wait for it, and stands still after it. */
static pid_t hold(const struct record *r)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = record_fd();

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!lock_it(fd) || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)usleep(r ? 300000 : 0);
		if (r && pwrite(fd, r, sizeof(*r), 0) != (ssize_t)sizeof(*r))
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The one thing that saves the looks: a record that came after the question is the answer, right or wrong. */
static void test_a_look_that_began_later_is_taken(void **state)
{
	const struct record before = record_of(5, 5), after = record_of(6, 6);
	int answer = 0;

	(void)state;
	/* on a busy machine the question may come too late for it, and then it is rightly none */
	for (int tries = 0; tries < 10 && answer != 1; tries++) {
		pid_t pid;

		put(&before, sizeof(before));
		pid = hold(&after);
		answer = look_of(NOBODY);
		end(pid);
	}
	assert_int_equal(answer, 1);
}

static void test_a_look_at_something_else_is_not(void **state)
{
	struct record odd[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct record first = record_of(5, 5);
		pid_t pid;

		odd[i] = record_of(6, 6);
		odd[i].view += i == 0; /* another mount of /proc */
		odd[i].base += i == 1;
		odd[i].count -= i == 2;
		odd[i].begun -= i == 3; /* finished before it began */
		put(&first, sizeof(first));
		pid = hold(&odd[i]);
		assert_int_equal(look_of(0), 1);
		end(pid);
	}
}

/* One that stands still with the lock costs a bounded wait, and not the answer; dead, it costs nothing. */
static void test_who_holds_it_stands_still_or_dies(void **state)
{
	pid_t pid = hold(NULL);
	double began = now_s();

	(void)state;
	assert_int_equal(look_of(0), 1);
	assert_int_equal(look_of(NOBODY), 0);
	assert_true(now_s() - began < 30);
	assert_int_equal(record_now().begun, 0);
	end(pid);
	assert_int_equal(look_of(0), 1);
	assert_int_equal(record_now().done, 1);
}

/* Many at once, one of them killed in the middle again and again: nobody hears that a living one is gone. */
static void test_a_crowd_with_deaths(void **state)
{
	pid_t crowd[8];

	(void)state;
	for (int i = 0; i < 8; i++) {
		crowd[i] = fork();
		assert_true(crowd[i] >= 0);
		if (crowd[i] > 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int n = 0; n < (i < 2 ? 1000000 : 30); n++)
			if (look_of(0) != 1 || look_of(NOBODY) != 0)
				_exit(1);
		_exit(0);
	}
	(void)usleep(50000);
	end(crowd[0]);
	(void)usleep(50000);
	end(crowd[1]);
	for (int i = 2; i < 8; i++) {
		int status;

		assert_int_equal(waitpid(crowd[i], &status, 0), crowd[i]);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_looks_itself),
		TEST(test_stale_and_torn_records_are_none),
		TEST(test_short_records_are_none),
		TEST(test_without_a_file),
		TEST(test_a_look_that_began_later_is_taken),
		TEST(test_a_look_at_something_else_is_not),
		TEST(test_who_holds_it_stands_still_or_dies),
		TEST(test_a_crowd_with_deaths),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
