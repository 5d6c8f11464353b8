/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/receipt.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/bug.h"
#include "base/dir.h"
#include "store/paths.h"

static const struct {
	const char *kind;
	const char *ends[3]; /* up to a NULL */
} covers[] = {
	{ "ports", { "port" } },     /* each listener; the look is for all of them */
	{ "keys", { "key" } },	     /* whom the guest let in */
	{ "state", { "deadline" } }, /* a file in that directory */
};

const char *receipt_looked_as(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(covers); i++)
		for (size_t j = 0; covers[i].ends[j] != NULL; j++)
			if (strcmp(covers[i].ends[j], kind) == 0)
				return covers[i].kind;
	return kind;
}

const char *const *receipt_kinds_in(const char *kind)
{
	static const char *const none[] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(covers); i++)
		if (strcmp(covers[i].kind, kind) == 0)
			return covers[i].ends;
	return none;
}

static struct receipt_row *find_row(struct receipt *receipt, const struct journal_line *line)
{
	struct receipt_row *row;

	for (size_t i = 0; i < receipt->n; i++)
		if (strcmp(receipt->rows[i].kind, line->kind) == 0 &&
		    strcmp(receipt->rows[i].object, line->name) == 0)
			return &receipt->rows[i];
	if (receipt->n == RECEIPT_MAX)
		return NULL;
	row = &receipt->rows[receipt->n++];
	*row = (struct receipt_row){ 0 };
	(void)str_copy(row->kind, sizeof(row->kind), line->kind);
	(void)str_copy(row->object, sizeof(row->object), line->name);
	return row;
}

/* What was seen absent, and whatever ended with it. */
static void take_absence(struct receipt *receipt, const struct journal_line *line)
{
	(void)find_row(receipt, line); /* also what was never made */
	for (size_t i = 0; i < receipt->n; i++) {
		struct receipt_row *row = &receipt->rows[i];

		if (strcmp(receipt_looked_as(row->kind), line->kind) != 0 ||
		    (strcmp(row->kind, line->kind) == 0 && strcmp(row->object, line->name) != 0))
			continue;
		row->absent_s = line->at_s;
		(void)journal_value(line->text, "look", row->look, sizeof(row->look));
	}
}

static void take_event(struct receipt *receipt, const struct journal_line *line)
{
	if (strncmp(line->text, "created ", 8) == 0) {
		(void)journal_value(line->text, "name", receipt->name, sizeof(receipt->name));
		receipt->created_s = line->at_s;
		receipt->gone_s = 0;
	} else if (strncmp(line->text, "gone ", 5) == 0) {
		receipt->gone_s = line->at_s;
	}
	journal_residue(line, receipt->residue, sizeof(receipt->residue));
}

static bool take_line(const struct journal_line *line, void *arg)
{
	struct receipt *receipt = arg;
	struct receipt_row *row;

	if (line->word == JOURNAL_EVENT) {
		take_event(receipt, line);
		return true;
	}
	if (line->word == JOURNAL_GONE) {
		take_absence(receipt, line);
		return true;
	}
	row = find_row(receipt, line);
	if (row == NULL)
		return true;
	if (line->word == JOURNAL_INTENT || row->absent_s != 0) {
		row->made_s = 0;
		row->identity[0] = '\0';
	}
	row->absent_s = 0;
	row->look[0] = '\0';
	if (row->made_s == 0)
		row->made_s = line->at_s;
	if (line->word == JOURNAL_FACT)
		(void)str_copy(row->identity, sizeof(row->identity), line->text);
	return true;
}

int receipt_read(const struct host_config *host, const char *id, struct receipt *receipt,
		 struct err *err)
{
	char path[PATHS_SIZE];

	*receipt = (struct receipt){ 0 };
	memcpy(receipt->id, id, ID_SIZE);
	if (journal_each(paths_sandbox(host, id, "journal", path), take_line, receipt, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	receipt->kept = true;
	return journal_each(paths_receipt(host, id, path), take_line, receipt, err);
}

/* ---- by name ---- */

struct named {
	const char *name;
	bool matches;
	long long at_s;
};

/* The first event of a journal: "created name=NAME owner=…". */
static bool look_at_line(const struct journal_line *line, void *arg)
{
	struct named *named = arg;
	char name[STR_NAME_MAX + 1];

	if (line->word != JOURNAL_EVENT || strncmp(line->text, "created ", 8) != 0)
		return true;
	named->matches = journal_value(line->text, "name", name, sizeof(name)) &&
			 strcmp(name, named->name) == 0;
	named->at_s = line->at_s;
	return false;
}

/* Into its place among the latest; at_s: of those that are in. */
static void insert(const char *id, long long id_at_s, char (*ids)[ID_SIZE], long long *at_s,
		   size_t n, size_t max)
{
	size_t i = n < max ? n : max;

	while (i > 0 && at_s[i - 1] < id_at_s)
		i--;
	if (i == max)
		return;
	for (size_t j = n < max ? n : max - 1; j > i; j--) {
		memcpy(ids[j], ids[j - 1], ID_SIZE);
		at_s[j] = at_s[j - 1];
	}
	memcpy(ids[i], id, ID_SIZE);
	at_s[i] = id_at_s;
}

#define RECEIPT_FIND_MAX 16

/* Its sandbox's name and date of birth, for *named. 0, also when it has none or is gone, or -1 with err. */
static int look_at(const struct host_config *host, const char *id, struct named *named,
		   struct err *err)
{
	char path[PATHS_SIZE];

	if (journal_each(paths_receipt(host, id, path), look_at_line, named, err) == 0)
		return 0;
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}

int receipt_find(const struct host_config *host, const char *name, char (*ids)[ID_SIZE], size_t max,
		 struct err *err)
{
	long long at_s[RECEIPT_FIND_MAX];
	char path[PATHS_SIZE];
	DIR *dir = opendir(paths_state(host, "receipts", path));
	const struct dirent *entry;
	size_t n = 0;
	int r;

	BUG_ON(max == 0 || max > RECEIPT_FIND_MAX);
	if (dir == NULL)
		return errno == ENOENT ? 0 : err_sys(err, "can't open %s", path);
	while ((r = dir_next(dir, &entry, err)) > 0) {
		struct named named = { .name = name };

		if (!id_is_valid(entry->d_name))
			continue;
		r = look_at(host, entry->d_name, &named, err);
		if (r < 0)
			break;
		if (named.matches)
			insert(entry->d_name, named.at_s, ids, at_s, n++, max);
	}
	(void)closedir(dir);
	return r < 0 ? -1 : (int)n;
}
