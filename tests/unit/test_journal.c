/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Journal lines: what is written is read back; what was torn or forged isn't a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/journal.h"
#include "store/paths.h"

#define ID "0123456789abcdef"

static bool parse(const char *text, struct journal_line *line)
{
	return journal_parse(text, strlen(text), line);
}

static void test_good_lines(void **state)
{
	struct journal_line line;

	(void)state;
	assert_true(parse("1700000000 intent tap mf-01234567", &line));
	assert_int_equal(line.at_s, 1700000000);
	assert_int_equal(line.word, JOURNAL_INTENT);
	assert_string_equal(line.kind, "tap");
	assert_string_equal(line.name, "mf-01234567");
	assert_string_equal(line.text, "");
	assert_true(parse("1 fact monitor x pid=5 start=77", &line));
	assert_string_equal(line.text, "pid=5 start=77");
	assert_true(parse("1 gone tap x", &line));
	assert_int_equal(line.word, JOURNAL_GONE);
	assert_true(parse("1 event ready slot=3", &line));
	assert_string_equal(line.kind, "");
	assert_string_equal(line.text, "ready slot=3");
}

static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"x intent tap a",
		"-1 intent tap a",
		"1",
		"1 intent",
		"1 intent tap",
		"1 wish tap a",
		"1  intent tap a",
		"99999999999999999999999 intent tap a",
		"1 intent kindthatislongerthananykindcaneverbe a",
	};
	struct journal_line line;
	char huge[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse(bad[i], &line));
	memset(huge, 'a', sizeof(huge));
	assert_false(journal_parse(huge, sizeof(huge), &line));
	assert_false(journal_parse("1 intent tap a\0b", 16, &line));
}

static void test_values(void **state)
{
	char out[8];

	(void)state;
	assert_true(journal_value("pid=5 start=77", "start", out, sizeof(out)));
	assert_string_equal(out, "77");
	assert_true(journal_value("pid=", "pid", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(journal_value("pidx=5", "pid", out, sizeof(out)));
	assert_false(journal_value("xpid=5", "pid", out, sizeof(out)));
	assert_false(journal_value("pid=123456789", "pid", out, sizeof(out)));
	assert_false(journal_value("", "pid", out, sizeof(out)));
}

struct seen {
	int lines, intents, facts, events;
	char last[JOURNAL_LINE_MAX];
};

static bool see(const struct journal_line *line, void *arg)
{
	struct seen *seen = arg;

	seen->lines++;
	seen->intents += line->word == JOURNAL_INTENT;
	seen->facts += line->word == JOURNAL_FACT;
	seen->events += line->word == JOURNAL_EVENT;
	(void)snprintf(seen->last, sizeof(seen->last), "%s", line->text);
	return true;
}

static void test_write_and_read(void **state)
{
	char dir[] = "/tmp/mayfly-journal-XXXXXX", path[PATHS_SIZE], blanks[JOURNAL_LINE_MAX * 2];
	struct host_config host = { 0 };
	struct seen seen = { 0 };
	struct err err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%s/s", dir);
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s/r", dir);
	assert_int_equal(paths_make(&host, &err), 0);
	assert_int_equal(paths_make_dir(paths_sandbox(&host, ID, NULL, path), 0700, &err), 0);
	assert_int_equal(journal_open(&host, ID, false, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	fd = journal_open(&host, ID, true, &err);
	assert_true(fd >= 0);
	assert_int_equal(journal_intent(fd, "tap", "mf-1", &err), 0);
	assert_int_equal(journal_fact(fd, &err, "tap", "mf-1", "ifindex=%d", 7), 0);
	/* a text from a person can't forge a line */
	assert_int_equal(journal_event(fd, &err, "renewed reason=%s", "x\n1 gone tap mf-1\n"), 0);
	memset(blanks, 'y', sizeof(blanks) - 1);
	blanks[sizeof(blanks) - 1] = '\0';
	assert_int_equal(journal_event(fd, &err, "%s", blanks), 0);
	/* a torn last line */
	assert_int_equal(write(fd, "17 intent ca", 12), 12);
	(void)close(fd);
	assert_int_equal(journal_each(paths_sandbox(&host, ID, "journal", path), see, &seen, &err),
			 0);
	assert_int_equal(seen.lines, 4);
	assert_int_equal(seen.intents, 1);
	assert_int_equal(seen.facts, 1);
	assert_int_equal(seen.events, 2);
	(void)snprintf(path, sizeof(path), "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

/* A full disk cuts a line off in its middle; what is written once there is room again is a line of its own. */
static void test_full_disk(void **state)
{
	char dir[] = "/tmp/mayfly-journal-XXXXXX", path[PATHS_SIZE];
	struct host_config host = { 0 };
	struct rlimit before, full;
	struct seen seen = { 0 };
	struct stat st;
	struct err err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%s/s", dir);
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s/r", dir);
	assert_int_equal(paths_make(&host, &err), 0);
	assert_int_equal(paths_make_dir(paths_sandbox(&host, ID, NULL, path), 0700, &err), 0);
	fd = journal_open(&host, ID, true, &err);
	assert_true(fd >= 0);
	assert_int_equal(journal_event(fd, &err, "created"), 0);
	assert_int_equal(fstat(fd, &st), 0);

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = before;
	full.rlim_cur = (rlim_t)st.st_size + 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(journal_fact(fd, &err, "cgroup", "/sys/fs/cgroup/x", "ino=%d", 1), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(journal_event(fd, &err, "ended expired"), 0);
	(void)close(fd);

	/* one that the host's crash tore, too */
	fd = open(paths_sandbox(&host, ID, "journal", path), O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "17 fact cgroup /x ino=1", 23), 23);
	(void)close(fd);
	fd = journal_open(&host, ID, false, &err);
	assert_true(fd >= 0);
	assert_int_equal(journal_event(fd, &err, "starting"), 0);
	(void)close(fd);

	assert_int_equal(journal_each(path, see, &seen, &err), 0);
	assert_int_equal(seen.lines, 3);
	assert_int_equal(seen.events, 3); /* and no inode 1 */
	assert_string_equal(seen.last, "starting");
	(void)snprintf(path, sizeof(path), "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lines), cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_write_and_read),
		cmocka_unit_test(test_full_disk),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
