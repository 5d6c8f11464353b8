/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* history, who: what the ledger knows. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"
#include "base/id.h"
#include "cli/json.h"
#include "cli/ledger.h"
#include "cli/text.h"
#include "store/journal.h"

const struct opt verb_history_options[] = {
	{ 'o', "objects", NULL, "each object that it held: when made, when seen absent" },
	{ 0 },
};

const struct opt verb_who_options[] = {
	{ 'a', "all", NULL, "also who could get in once" },
	{ 0 },
};

/* A question: its columns as a table's head and as JSON's keys; '@' is in front of an instant's. */
struct question {
	const char *const *head;
	const char *const *keys;
	size_t n;
	const char *format; /* of ?1, the word ("": any); ?2, now; ?3, whether all are asked for */
	const char *sql;
};

struct answer {
	const struct question *question;
	json_t *list; /* NULL: a table */
	struct text_table table;
	size_t rows;
};

static bool is_instant(const char *key)
{
	return key[0] == '@';
}

static bool add_object(sqlite3_stmt *row, struct answer *answer)
{
	json_t *object = json_object();
	int rc;

	for (size_t i = 0; i < answer->question->n; i++) {
		const char *key = answer->question->keys[i];

		if (is_instant(key))
			json_put_instant(object, key + 1, sqlite3_column_int64(row, (int)i));
		else
			json_put_text(object, key, ledger_text(row, (int)i));
	}
	rc = json_array_append_new(answer->list, object);
	BUG_ON(rc < 0);
	return true;
}

static bool add_row(sqlite3_stmt *row, void *arg)
{
	struct answer *answer = arg;
	char cells[TEXT_MAX_COLUMNS][2 * JOURNAL_LINE_MAX];
	const char *texts[TEXT_MAX_COLUMNS];

	answer->rows++;
	if (answer->list != NULL)
		return add_object(row, answer);
	for (size_t i = 0; i < answer->question->n; i++) {
		long long at_s = sqlite3_column_int64(row, (int)i);

		cells[i][0] = '\0';
		if (!is_instant(answer->question->keys[i]))
			(void)text_line(ledger_text(row, (int)i), cells[i], sizeof(cells[i]));
		else if (at_s != 0)
			(void)str_from_instant(at_s, cells[i], sizeof(cells[i]));
		texts[i] = cells[i];
	}
	text_table_row(&answer->table, texts);
	return true;
}

/* Ask with the text word and the number of now; print. Whether there are any, or -1 with err, also where they aren't all. */
static int ask(const struct cli *cli, const struct question *question, const char *word, bool all,
	       struct err *err)
{
	struct answer answer = { .question = question, .table.n_columns = question->n };
	struct ledger ledger;
	int rc;

	if (ledger_open(&ledger, &cli->config.host, err) < 0)
		return -1;
	if (cli->json)
		answer.list = json_array();
	else
		text_table_row(&answer.table, question->head);
	rc = ledger_query(&ledger, err, add_row, &answer, question->sql, question->format, word,
			  (long long)time(NULL), (long long)all);
	ledger_close(&ledger);
	if (rc < 0)
		json_decref(answer.list);
	else if (cli->json)
		rc = json_print(answer.list, err);
	else if (answer.rows > 0 || word[0] == '\0')
		text_table_print(&answer.table, stdout);
	text_table_free(&answer.table);
	if (rc == 0 && ledger.unread.code != ERR_NONE) {
		*err = ledger.unread;
		rc = err_wrap(err, "this isn't all");
	}
	return rc < 0 ? -1 : (int)(answer.rows > 0);
}

#define OF_WORD " (?1 = '' OR s.name = ?1 OR s.id = ?1) "

static const struct question events = {
	.head = (const char *const[]){ "WHEN", "NAME", "ID", "WHAT" },
	.keys = (const char *const[]){ "@at", "name", "id", "what" },
	.n = 4,
	.format = "s",
	.sql = "SELECT e.at_s, s.name, s.id, e.text FROM events e JOIN sandboxes s USING(id)"
	       " WHERE e.word = 'event' AND" OF_WORD "ORDER BY e.at_s, s.created_s, s.id, e.seq",
};

static const struct question objects = {
	.head = (const char *const[]){ "NAME", "KIND", "OBJECT", "MADE", "ABSENT", "BY",
				       "IDENTITY" },
	.keys = (const char *const[]){ "name", "kind", "object", "@made", "@absent", "absent_by",
				       "identity" },
	.n = 7,
	.format = "s",
	.sql = "SELECT s.name, r.kind, r.name, r.made_s, r.absent_s, r.look, r.identity FROM "
	       "receipts r"
	       " JOIN sandboxes s USING(id) WHERE" OF_WORD
	       "ORDER BY s.created_s, s.id, r.made_s, r.kind",
};

static const struct question people = {
	.head = (const char *const[]){ "PERSON", "SANDBOX", "UNTIL", "KEY", "ENDED" },
	.keys = (const char *const[]){ "person", "sandbox", "@until", "key", "@ended" },
	.n = 5,
	.format = "sii",
	.sql = "SELECT p.person, s.name, min(s.deadline_s, coalesce(s.gone_s, s.deadline_s)), "
	       "p.fingerprint,"
	       " s.gone_s FROM people p JOIN sandboxes s USING(id)"
	       " WHERE" OF_WORD "AND (?3 OR (s.gone_s IS NULL AND s.deadline_s > ?2"
	       " AND coalesce(s.reason, '') NOT LIKE 'expired%'))"
	       " ORDER BY p.person, s.name, p.fingerprint",
};

int verb_history(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const struct question *question = &events;
	const char *value;
	char **words;
	int id, n, found;

	while ((id = opt_next(&opts, &value, err)) > 0)
		question = &objects;
	if (id < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n > 1)
		return cli_usage(cli, err, "one name at most");
	if (cli_begin(cli, err) < 0)
		return -1;
	found = ask(cli, question, n == 1 ? words[0] : "", true, err);
	if (found == 0 && n == 1)
		return err_set(err, ERR_NOT_FOUND,
			       "%.60s: there never was a sandbox of that name or id", words[0]);
	return found < 0 ? -1 : 0;
}

int verb_who(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	bool all = false;
	char **words;
	int id, n, found;

	while ((id = opt_next(&opts, &value, err)) > 0)
		all = true;
	if (id < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n > 1)
		return cli_usage(cli, err, "one name at most");
	if (cli_begin(cli, err) < 0)
		return -1;
	found = ask(cli, &people, n == 1 ? words[0] : "", all, err);
	if (found == 0 && n == 1)
		return err_set(err, ERR_NOT_FOUND,
			       "%.60s: no key opens a sandbox of that name or id", words[0]);
	return found < 0 ? -1 : 0;
}
