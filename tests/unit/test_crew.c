/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What goes wrong in one end is told, and hurts no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "keeper/crew.h"

#define ID "00000000000000aa"

static struct crew crew;

static struct heard {
	unsigned n, failed;
	char first[ERR_TEXT_MAX]; /* of those with a code */
} heard;

static void hear(void *arg, const struct ctl_record *record)
{
	(void)arg;
	heard.n++;
	if (record->code != 0 && heard.failed++ == 0)
		(void)str_copy(heard.first, sizeof(heard.first), record->text);
}

static const struct sink ear = { .put = hear };

static int set_up(void **state)
{
	(void)state;
	memset(&heard, 0, sizeof(heard));
	crew_open(&crew, &ear);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	crew_close(&crew);
	return 0;
}

static void say(const struct sink *sink, uint32_t code, const char *text)
{
	struct ctl_record record = { .type = CTL_ITEM, .code = code };

	(void)str_copy(record.text, sizeof(record.text), text);
	sink->put(sink->arg, &record);
}

static void work_well(void *arg, const struct sink *sink)
{
	(void)arg;
	say(sink, 0, "done");
}

static void work_badly(void *arg, const struct sink *sink)
{
	(void)arg;
	say(sink, ERR_RESIDUE, "tap: it is still there");
}

static void work_to_death(void *arg, const struct sink *sink)
{
	(void)arg;
	say(sink, 0, "half");
	(void)raise(SIGKILL);
}

static void work_for_ever(void *arg, const struct sink *sink)
{
	(void)sink;
	(void)!write(*(const int *)arg, "x", 1);
	for (;;)
		(void)pause();
}

static void work_at_once(void *arg, const struct sink *sink)
{
	(void)!write(*(const int *)arg, "x", 1);
	say(sink, 0, "done");
}

static void work_unheard(void *arg, const struct sink *sink)
{
	(void)arg;
	(void)close(crew.said[1]);
	say(sink, ERR_RESIDUE, "nobody hears this");
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* More than there are places, and more than a pipe holds. */
static void test_all_are_heard(void **state)
{
	(void)state;
	for (int i = 0; i < 10 * CREW_MAX; i++)
		crew_start(&crew, ID, i % 10 ? work_well : work_badly, NULL);
	crew_wait(&crew);
	assert_int_equal(heard.n, 10 * CREW_MAX);
	assert_int_equal(heard.failed, CREW_MAX);
	assert_int_equal(crew.failures, CREW_MAX);
	assert_int_equal(crew.first.code, ERR_RESIDUE);
	assert_string_equal(crew.first.text, "tap: it is still there");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left to be waited for */
	assert_int_equal(errno, ECHILD);
}

static void test_a_killed_one_is_told(void **state)
{
	(void)state;
	crew_start(&crew, ID, work_to_death, NULL);
	crew_start(&crew, ID, work_well, NULL);
	crew_wait(&crew);
	assert_int_equal(heard.n, 3);
	assert_int_equal(heard.failed, 1);
	assert_non_null(strstr(heard.first, "broken off"));
	assert_int_equal(crew.failures, 1);
}

/* Those behind it don't wait; it is killed when its time is over. */
static void test_a_stuck_one_holds_up_nobody(void **state)
{
	int begun[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
	crew_start(&crew, ID, work_for_ever, &begun[1]);
	for (int i = 0; i < 2 * CREW_MAX; i++)
		crew_start(&crew, ID, work_at_once, &begun[1]);
	for (int i = 0; i < 2 * CREW_MAX + 1; i++)
		assert_int_equal(read(begun[0], &byte, 1), 1);
	assert_int_equal(heard.failed, 0); /* all began within its time */
	crew.patience_s = 3;
	crew_wait(&crew);
	assert_int_equal(heard.n, 2 * CREW_MAX + 1);
	assert_int_equal(heard.failed, 1);
	assert_non_null(strstr(heard.first, "broken off"));
	(void)close(begun[0]);
	(void)close(begun[1]);
}

static void test_a_lost_word_is_told(void **state)
{
	(void)state;
	crew_start(&crew, ID, work_unheard, NULL);
	crew_wait(&crew);
	assert_int_equal(heard.failed, 1);
	assert_non_null(strstr(heard.first, "broken off"));
}

/* Without a descriptor for each there are still processes, and they are still bounded. */
static void test_no_descriptors(void **state)
{
	struct rlimit before, few;
	int begun[2];

	(void)state;
	assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	crew.patience_s = 3;
	crew_start(&crew, ID, work_for_ever, &begun[1]);
	crew_start(&crew, ID, work_to_death, NULL);
	crew_start(&crew, ID, work_well, NULL);
	crew_wait(&crew);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(heard.n, 4);
	assert_int_equal(heard.failed, 2);
	(void)close(begun[0]);
	(void)close(begun[1]);
}

static void work_where(void *arg, const struct sink *sink)
{
	*(bool *)arg = crew_is_member(&crew);
	work_badly(NULL, sink);
}

static void test_no_processes(void **state)
{
	bool member = true;

	(void)state;
	crew_close(&crew);
	crew_start(&crew, ID, work_where, &member);
	crew_wait(&crew);
	assert_false(member); /* what it closes is closed here */
	assert_int_equal(heard.n, 1);
	assert_int_equal(crew.failures, 1);
}

/* As for a reap whose parent wants to hear of no child: exec keeps that. */
static void test_deaths_that_nobody_hears_of(void **state)
{
	double began = now_s();

	(void)state;
	crew_close(&crew);
	(void)signal(SIGCHLD, SIG_IGN);
	crew_open(&crew, &ear);
	crew_start(&crew, ID, work_well, NULL);
	crew_wait(&crew);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.failed, 0);
	assert_true(now_s() - began < 30);
}

/* They end with who began them. */
static void test_the_starter_dies(void **state)
{
	struct pollfd over = { .events = POLLIN };
	int begun[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		crew_open(&crew, &ear);
		crew_start(&crew, ID, work_for_ever, &begun[1]);
		crew_wait(&crew);
		_exit(0);
	}
	assert_int_equal(read(begun[0], &byte, 1), 1);
	(void)close(begun[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	over.fd = begun[0];
	assert_int_equal(poll(&over, 1, 30000), 1);
	assert_int_equal(read(begun[0], &byte, 1), 0); /* nobody holds the other end */
	(void)close(begun[0]);
}

static void work_out(void *arg, const struct sink *sink)
{
	(void)arg;
	(void)!write(STDOUT_FILENO, "x", 1);
	say(sink, 0, "done");
}

static void test_output_is_the_starters(void **state)
{
	int out[2], saved = dup(STDOUT_FILENO);
	char byte;

	(void)state;
	(void)fflush(stdout);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_true(dup2(out[1], STDOUT_FILENO) >= 0);
	crew_start(&crew, ID, work_out, NULL);
	crew_wait(&crew);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	(void)close(saved);
	(void)close(out[1]);
	assert_int_equal(heard.n, 1);
	assert_int_equal(read(out[0], &byte, 1), 0);
	(void)close(out[0]);
}

static void work_with_words(void *arg, const struct sink *sink)
{
	(void)arg;
	(void)!write(STDERR_FILENO, "x", 1);
	say(sink, 0, "done");
}

/* What they write there is heard, and one that goes on holds no end of it. */
static void test_errors_are_the_starters(void **state)
{
	int out[2], begun[2], saved = dup(STDERR_FILENO);
	struct pollfd over = { .events = POLLIN };
	char bytes[8];

	(void)state;
	(void)fflush(stderr);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
	assert_true(dup2(out[1], STDERR_FILENO) >= 0);
	(void)close(out[1]);
	crew_start(&crew, ID, work_with_words, NULL);
	crew_wait(&crew);
	crew_start(&crew, ID, work_for_ever, &begun[1]);
	assert_int_equal(read(begun[0], bytes, 1), 1);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	assert_int_equal(read(out[0], bytes, sizeof(bytes)), 1);
	over.fd = out[0];
	assert_int_equal(poll(&over, 1, 0), 1);
	assert_int_equal(read(out[0], bytes, sizeof(bytes)),
			 0); /* it lives, and nobody waits for it */
	crew.patience_s = 0;
	crew_wait(&crew);
	assert_int_equal(heard.failed, 1);
	(void)close(out[0]);
	(void)close(begun[0]);
	(void)close(begun[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_all_are_heard),
		TEST(test_a_killed_one_is_told),
		TEST(test_a_stuck_one_holds_up_nobody),
		TEST(test_a_lost_word_is_told),
		TEST(test_no_descriptors),
		TEST(test_no_processes),
		TEST(test_deaths_that_nobody_hears_of),
		TEST(test_the_starter_dies),
		TEST(test_output_is_the_starters),
		TEST(test_errors_are_the_starters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
