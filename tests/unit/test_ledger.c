/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* The ledger is an index: what it says follows from the journals alone, however often and in whatever pieces it is folded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/ledger.h"
#include "store/paths.h"

#define ID_A "00000000000000aa"
#define ID_B "00000000000000bb"

static struct host_config host;

static void append(const char *id, const char *file, const char *text)
{
	char path[PATHS_SIZE];
	FILE *out;

	(void)mkdir(paths_sandbox(&host, id, NULL, path), 0700);
	out = fopen(paths_sandbox(&host, id, file, path), "a");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static const char made[] = "100 event created name=web owner=alice until=2026-11-22T15:23:10Z "
			   "deadline=1000 durable=1\n"
			   "100 intent tap mf-00000000\n"
			   "100 fact tap mf-00000000 ifindex=3\n"
			   "101 fact key SHA256:abc person=bob\n"
			   "102 event ready slot=0 monitor=88\n";
static const char renewed[] =
	"110 event renewed until=1970-01-01T01:00:00Z by=root reason=one more = look\n";
static const char ended[] = "120 event ended expired\n"
			    "121 gone tap mf-00000000\n"
			    "122 event gone expired\n";

static int set_up(void **state)
{
	static char dir[] = "/tmp/mayfly-ledger-XXXXXX";
	struct err err;

	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir));
	memset(&host, 0, sizeof(host));
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%s/state", dir);
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s/run", dir);
	assert_int_equal(paths_make(&host, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[PATHS_SIZE + 32];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s/..", host.state_dir);
	command[strlen(command) - 3 - strlen("/state")] = '\0';
	return system(command);
}

static struct ledger opened(void)
{
	struct ledger ledger;
	struct err err = { 0 };

	if (ledger_open(&ledger, &host, &err) < 0)
		fail_msg("%s", err.text);
	return ledger;
}

static bool take_text(sqlite3_stmt *row, void *arg)
{
	(void)snprintf(arg, 256, "%s", ledger_text(row, 0));
	return true;
}

/* The one text that sql's only row holds. */
static void expect(const char *sql, const char *want)
{
	struct ledger ledger = opened();
	char got[256] = "(none)";
	struct err err = { 0 };

	if (ledger_query(&ledger, &err, take_text, got, sql, "") < 0)
		fail_msg("%s", err.text);
	assert_string_equal(got, want);
	ledger_close(&ledger);
}

static void a_life_in_pieces(void **state)
{
	char journal[PATHS_SIZE], receipt[PATHS_SIZE];

	(void)state;
	append(ID_A, "journal", made);
	expect("SELECT name||owner||durable||created_s||deadline_s FROM sandboxes",
	       "webalice11001000");
	append(ID_A, "journal", renewed);
	expect("SELECT deadline_s FROM sandboxes", "3600");
	expect("SELECT who||':'||why FROM deadlines WHERE seq=6", "root:one more = look");
	append(ID_A, "journal", ended);
	assert_int_equal(rename(paths_sandbox(&host, ID_A, "journal", journal),
				paths_receipt(&host, ID_A, receipt)),
			 0);
	expect("SELECT ended_s||reason||gone_s FROM sandboxes", "120expired122");
	expect("SELECT made_s||identity||absent_s FROM receipts WHERE kind='tap'",
	       "100ifindex=3121");
	expect("SELECT person||since_s FROM people WHERE fingerprint='SHA256:abc'", "bob101");
	expect("SELECT count(*)||','||max(seq) FROM events", "9,9");
}

/* Who and why are written first; where the record then could not be, the date is what it was. */
static void a_renewal_that_failed(void **state)
{
	static const char failed[] = "111 event renewed until=1970-01-01T09:00:00Z by=eve reason=\n"
				     "111 event renewal failed: deadline.new: can't write\n";

	(void)state;
	append(ID_A, "journal", made);
	append(ID_A, "journal", failed);
	expect("SELECT deadline_s FROM sandboxes", "1000");
	append(ID_A, "journal", renewed);
	append(ID_A, "journal", failed);
	expect("SELECT deadline_s FROM sandboxes", "3600");
	expect("SELECT count(*) FROM deadlines WHERE who='eve'", "0");
}

/* Destroyed, then put back: its keys open it again, whatever the receipt says. */
static void restored_from_a_backup(void **state)
{
	char journal[PATHS_SIZE], receipt[PATHS_SIZE];

	(void)state;
	append(ID_A, "journal", made);
	append(ID_A, "journal", ended);
	assert_int_equal(rename(paths_sandbox(&host, ID_A, "journal", journal),
				paths_receipt(&host, ID_A, receipt)),
			 0);
	expect("SELECT gone_s FROM sandboxes", "122");
	append(ID_A, "journal", made);
	expect("SELECT coalesce(gone_s, 'here') FROM sandboxes", "here");
	/* as one that is made anew would have it */
	expect("SELECT count(*)||','||max(seq) FROM events", "5,5");
	append(ID_A, "journal", ended);
	assert_int_equal(rename(journal, receipt), 0);
	expect("SELECT gone_s FROM sandboxes", "122");
}

static void made_anew_it_says_the_same(void **state)
{
	static const char all[] =
		"SELECT group_concat(id||seq||at_s||word||kind||name||text) FROM events";
	char path[PATHS_SIZE];
	char before[256] = "", after[256] = "";
	struct ledger ledger;
	struct err err;
	FILE *out;

	(void)state;
	append(ID_A, "journal", made);
	append(ID_B, "journal", made);
	append(ID_B, "journal", ended);
	ledger = opened();
	assert_int_equal(ledger_query(&ledger, &err, take_text, before, all, ""), 0);
	ledger_close(&ledger);
	for (int how = 0; how < 3; how++) {
		(void)paths_state(&host, "ledger.db", path);
		if (how == 0) {
			assert_int_equal(unlink(path), 0);
		} else if (how == 1) { /* no database */
			out = fopen(path, "w");
			assert_true(out && fputs("what a full disk left", out) >= 0 &&
				    fclose(out) == 0);
		} else { /* another version's */
			ledger = opened();
			assert_int_equal(
				sqlite3_exec(ledger.db, "PRAGMA user_version=99", NULL, NULL, NULL),
				0);
			ledger_close(&ledger);
		}
		ledger = opened();
		assert_int_equal(ledger_query(&ledger, &err, take_text, after, all, ""), 0);
		ledger_close(&ledger);
		assert_string_equal(before, after);
	}
}

/* Pages that opening it doesn't meet, and the question does. */
static void damaged_within(void **state)
{
	char path[PATHS_SIZE], id[ID_SIZE], page[4096];
	unsigned damaged = 0;
	FILE *file;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		(void)snprintf(id, sizeof(id), "%016x", i);
		append(id, "journal", made);
		append(id, "journal", ended);
	}
	expect("SELECT count(*) FROM events", "512");
	file = fopen(paths_state(&host, "ledger.db", path), "r+");
	assert_non_null(file);
	for (long at = 0; fseek(file, at, SEEK_SET) == 0 && fread(page, sizeof(page), 1, file) == 1;
	     at += (long)sizeof(page)) {
		if (!memmem(page, sizeof(page), "monitor=88", 10)) /* one of the table of events */
			continue;
		memset(page, 0xa5, sizeof(page));
		assert_true(fseek(file, at, SEEK_SET) == 0 &&
			    fwrite(page, sizeof(page), 1, file) == 1);
		damaged++;
	}
	assert_int_equal(fclose(file), 0);
	assert_true(damaged > 0);
	expect("SELECT count(*) FROM (SELECT text FROM events ORDER BY at_s)", "512");
}

/* A keeper was cut off in the middle of a line: it counts once it is whole. */
static void torn_line(void **state)
{
	(void)state;
	append(ID_A, "journal", made);
	append(ID_A, "journal", "103 event rene");
	expect("SELECT count(*) FROM events", "5");
	append(ID_A, "journal", "wed until=1970-01-01T00:30:00Z by=root reason=\n");
	expect("SELECT count(*)||','||(SELECT deadline_s FROM sandboxes) FROM events", "6,1800");
}

static void hostile_texts_stay_texts(void **state)
{
	(void)state;
	append(ID_A, "journal",
	       "100 event created name='); owner=x';DROP-TABLE-events;-- until=x deadline=zz "
	       "durable=1\n");
	append("not-an-id", "journal", made);
	expect("SELECT name||'|'||owner||'|'||deadline_s FROM sandboxes",
	       "');|x';DROP-TABLE-events;--|0");
	expect("SELECT count(*) FROM events", "1");
}

static void nothing_that_ends_needs_it(void **state)
{
	struct ledger ledger;
	char path[PATHS_SIZE];
	struct err err;

	(void)state;
	append(ID_A, "journal", made);
	(void)mkdir(paths_state(&host, "ledger.db", path),
		    0700);					/* can't be opened, nor made anew */
	assert_int_equal(ledger_open(&ledger, &host, &err), 0); /* from memory */
	ledger_close(&ledger);
	expect("SELECT count(*) FROM events", "5");
	assert_int_equal(rmdir(path), 0);
}

/* The state directory may be a link to where there is room. */
static void behind_a_link(void **state)
{
	struct host_config before = host;
	char target[PATHS_SIZE];

	(void)state;
	append(ID_A, "journal", made);
	(void)snprintf(target, sizeof(target), "%s", host.state_dir);
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%.200s/link", host.run_dir);
	assert_int_equal(symlink(target, host.state_dir), 0);
	expect("SELECT count(*) FROM events", "5");
	host = before;
	assert_int_equal(access(paths_state(&host, "ledger.db", target), F_OK), 0);
}

/* A disk that is full is when somebody asks; the journals can be read all the same. */
static void answers_on_a_full_disk(void **state)
{
	static char many[8000 * 460];
	struct rlimit before, full;
	char last[256];

	(void)state;
	append(ID_A, "journal", made);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = before;
	full.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	expect("SELECT count(*) FROM events", "5");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	/* so much to sort that SQLite would take a file, if it might */
	for (int i = 0; i < 8000; i++)
		(void)snprintf(many + strlen(many), 460, "103 event %0440d\n", 8000 - i);
	append(ID_B, "journal", many);
	(void)snprintf(last, sizeof(last), "%0255d", 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	expect("SELECT text FROM events WHERE id='" ID_B "' ORDER BY text", last);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	expect("SELECT count(*) FROM events", "8005");
}

static void only_root_reads_it(void **state)
{
	struct ledger ledger;
	char path[PATHS_SIZE];
	struct stat st;

	(void)state;
	append(ID_A, "journal", made);
	ledger = opened();
	assert_int_equal(stat(paths_state(&host, "ledger.db", path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	ledger_close(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_life_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_renewal_that_failed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(restored_from_a_backup, set_up, tear_down),
		cmocka_unit_test_setup_teardown(made_anew_it_says_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_within, set_up, tear_down),
		cmocka_unit_test_setup_teardown(torn_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_texts_stay_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_that_ends_needs_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(behind_a_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_on_a_full_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_root_reads_it, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
