/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * From journals to tables. A journal only grows, and becomes the receipt by a rename: what was folded is a number of
 * lines of an inode. Each line goes into `events` as it is; those that mean something to a question have a row in
 * ledger_lines, which derives the other tables from it.
 */
#include "cli/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/id.h"
#include "base/str.h"
#include "cli/receipt.h"
#include "store/journal.h"
#include "store/paths.h"

struct fold {
	struct ledger *ledger;
	const char *id;
	long long lines, bytes, ino; /* folded until now */
	long long seq;		     /* of the line looked at */
	bool began;		     /* a transaction is open */
	struct err *err;
	int rc;
};

/* ---- what a line means ---- */

/* What follows "key=" to the end of the text; "" without it. */
static const char *fold_rest(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : "";
}

static int fold_created(struct fold *f, const struct journal_line *line)
{
	char name[STR_NAME_MAX + 1] = "", owner[STR_NAME_MAX + 1] = "", deadline[24] = "",
				 durable[4] = "";

	(void)journal_value(line->text, "name", name, sizeof(name));
	(void)journal_value(line->text, "owner", owner, sizeof(owner));
	(void)journal_value(line->text, "deadline", deadline, sizeof(deadline));
	(void)journal_value(line->text, "durable", durable, sizeof(durable));
	if (ledger_query(f->ledger, f->err, NULL, NULL,
			 "INSERT OR REPLACE INTO sandboxes(id, name, owner, durable, created_s, "
			 "deadline_s)"
			 " VALUES(?1, ?2, ?3, ?4, ?5, CAST(?6 AS INTEGER))",
			 "sssiis", f->id, name, owner, (long long)(durable[0] == '1'), line->at_s,
			 deadline) < 0)
		return -1;
	return ledger_query(
		f->ledger, f->err, NULL, NULL,
		"INSERT OR REPLACE INTO deadlines VALUES(?1, ?2, ?3, CAST(?4 AS INTEGER), ?5, ?6)",
		"siisss", f->id, f->seq, line->at_s, deadline, owner,
		fold_rest(line->text, "reason="));
}

static int fold_renewed(struct fold *f, const struct journal_line *line)
{
	char until[STR_INSTANT_SIZE] = "", who[STR_NAME_MAX + 1] = "";
	int64_t deadline_s = 0;

	(void)journal_value(line->text, "until", until, sizeof(until));
	(void)journal_value(line->text, "by", who, sizeof(who));
	if (!str_to_instant(until, &deadline_s))
		return 0;
	if (ledger_query(f->ledger, f->err, NULL, NULL,
			 /* brought back out of its grace: its keys open it again */
			 "UPDATE sandboxes SET deadline_s=?2, reason=CASE WHEN reason LIKE"
			 " 'expired%' THEN NULL ELSE reason END WHERE id=?1",
			 "si", f->id, (long long)deadline_s) < 0)
		return -1;
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "INSERT OR REPLACE INTO deadlines VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			    "siiiss", f->id, f->seq, line->at_s, (long long)deadline_s, who,
			    fold_rest(line->text, "reason="));
}

/* Said behind the renewal that it is about: that date never held. */
static int fold_renewal_failed(struct fold *f, const struct journal_line *line)
{
	(void)line;
	if (ledger_query(
		    f->ledger, f->err, NULL, NULL,
		    "DELETE FROM deadlines WHERE id=?1 AND seq=(SELECT max(seq) FROM deadlines "
		    "WHERE id=?1)",
		    "s", f->id) < 0)
		return -1;
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "UPDATE sandboxes SET deadline_s=(SELECT deadline_s FROM deadlines "
			    "WHERE id=?1 ORDER BY seq DESC LIMIT 1) WHERE id=?1",
			    "s", f->id);
}

static int fold_ready(struct fold *f, const struct journal_line *line)
{
	(void)line;
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "UPDATE sandboxes SET ended_s=NULL, reason=NULL WHERE id=?1", "s",
			    f->id);
}

static int fold_ended(struct fold *f, const struct journal_line *line)
{
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "UPDATE sandboxes SET ended_s=?2, reason=?3 WHERE id=?1", "sis", f->id,
			    line->at_s, fold_rest(line->text, " "));
}

static int fold_gone(struct fold *f, const struct journal_line *line)
{
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "UPDATE sandboxes SET gone_s=?2 WHERE id=?1", "si", f->id, line->at_s);
}

static int fold_key(struct fold *f, const struct journal_line *line)
{
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "INSERT OR IGNORE INTO people VALUES(?1, ?2, ?3, ?4)", "sssi", f->id,
			    line->name, fold_rest(line->text, "person="), line->at_s);
}

static int fold_port(struct fold *f, const struct journal_line *line)
{
	char guest[8] = "";

	(void)journal_value(line->text, "guest", guest, sizeof(guest));
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "INSERT OR REPLACE INTO ports VALUES(?1, ?2, ?3, ?4, ?5)", "siisi",
			    f->id, f->seq, line->at_s, line->name, strtoll(guest, NULL, 10));
}

/* The receipt's rows: made (intent), what it was (fact), seen absent (gone). */
static int fold_object(struct fold *f, const struct journal_line *line)
{
	static const char *const sql[] = {
		[JOURNAL_INTENT] =
			"INSERT INTO receipts(id, kind, name, made_s) VALUES(?1, ?2, ?3, ?4)"
			" ON CONFLICT DO UPDATE SET made_s=?4, identity=NULL, absent_s=NULL, "
			"look=NULL",
		[JOURNAL_FACT] = "INSERT INTO receipts(id, kind, name, made_s, identity) "
				 "VALUES(?1, ?2, ?3, ?4, ?5)"
				 " ON CONFLICT DO UPDATE SET identity=?5, absent_s=NULL, look=NULL",
		[JOURNAL_GONE] =
			"INSERT INTO receipts(id, kind, name, absent_s, look) VALUES(?1, ?2, ?3, "
			"?4, ?5)"
			" ON CONFLICT DO UPDATE SET absent_s=?4, look=?5",
	};
	char look[32] = "";
	const char *text = line->word == JOURNAL_GONE ? look : line->text;

	(void)journal_value(line->text, "look", look, sizeof(look));
	return ledger_query(f->ledger, f->err, NULL, NULL, sql[line->word],
			    line->word == JOURNAL_INTENT ? "sssi" : "sssis", f->id, line->kind,
			    line->name, line->at_s, text);
}

/* What ends with another kind was seen absent by that kind's look. */
static int fold_covered(struct fold *f, const struct journal_line *line)
{
	char look[32] = "";

	(void)journal_value(line->text, "look", look, sizeof(look));
	for (const char *const *kind = receipt_kinds_in(line->kind); *kind != NULL; kind++)
		if (ledger_query(f->ledger, f->err, NULL, NULL,
				 "UPDATE receipts SET absent_s=?3, look=?4 WHERE id=?1 AND kind=?2",
				 "ssis", f->id, *kind, line->at_s, look) < 0)
			return -1;
	return 0;
}

static const struct {
	enum journal_word word;
	const char *kind; /* of a fact; NULL: any */
	const char *head; /* how an event's text begins; NULL: any */
	int (*fold)(struct fold *f, const struct journal_line *line);
} ledger_lines[] = {
	{ JOURNAL_EVENT, NULL, "created ", fold_created },
	{ JOURNAL_EVENT, NULL, "renewed ", fold_renewed },
	{ JOURNAL_EVENT, NULL, "renewal failed", fold_renewal_failed },
	{ JOURNAL_EVENT, NULL, "ready ", fold_ready },
	{ JOURNAL_EVENT, NULL, "ended ", fold_ended },
	{ JOURNAL_EVENT, NULL, "stopped ", fold_ended },
	{ JOURNAL_EVENT, NULL, "gone ", fold_gone },
	{ JOURNAL_FACT, "key", NULL, fold_key },
	{ JOURNAL_FACT, "port", NULL, fold_port },
	{ JOURNAL_INTENT, NULL, NULL, fold_object },
	{ JOURNAL_FACT, NULL, NULL, fold_object },
	{ JOURNAL_GONE, NULL, NULL, fold_object },
	{ JOURNAL_GONE, NULL, NULL, fold_covered },
};

static int fold_derive(struct fold *f, const struct journal_line *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(ledger_lines); i++) {
		const char *kind = ledger_lines[i].kind, *head = ledger_lines[i].head;

		if (ledger_lines[i].word == line->word &&
		    (!kind || strcmp(kind, line->kind) == 0) &&
		    (!head || strncmp(head, line->text, strlen(head)) == 0) &&
		    ledger_lines[i].fold(f, line) < 0)
			return -1;
	}
	return 0;
}

/* ---- one journal ---- */

static int fold_begin(struct fold *f)
{
	if (!f->began &&
	    sqlite3_exec(f->ledger->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return err_set(f->err, ERR_FAILED, "ledger: %s", sqlite3_errmsg(f->ledger->db));
	f->began = true;
	return 0;
}

/* An older copy of its journal was put back: of what came after it nothing may stay. */
static int fold_forget(struct fold *f)
{
	static const char *const sql[] = {
		"DELETE FROM events WHERE id=?1",    "DELETE FROM sandboxes WHERE id=?1",
		"DELETE FROM deadlines WHERE id=?1", "DELETE FROM people WHERE id=?1",
		"DELETE FROM ports WHERE id=?1",     "DELETE FROM receipts WHERE id=?1",
	};

	f->lines = f->bytes = 0;
	if (fold_begin(f) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(sql); i++)
		if (ledger_query(f->ledger, f->err, NULL, NULL, sql[i], "s", f->id) < 0)
			return -1;
	return 0;
}

static int fold_line(struct fold *f, const struct journal_line *line)
{
	static const char *const words[] = {
		[JOURNAL_INTENT] = "intent",
		[JOURNAL_FACT] = "fact",
		[JOURNAL_GONE] = "gone",
		[JOURNAL_EVENT] = "event",
	};

	if (fold_begin(f) < 0)
		return -1;
	if (ledger_query(f->ledger, f->err, NULL, NULL,
			 "INSERT OR REPLACE INTO events VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			 "siissss", f->id, f->seq, line->at_s, words[line->word], line->kind,
			 line->name, line->text) < 0)
		return -1;
	return fold_derive(f, line);
}

static bool fold_visit(const struct journal_line *line, void *arg)
{
	struct fold *f = arg;

	if (++f->seq <= f->lines)
		return true;
	f->rc = fold_line(f, line);
	return f->rc == 0;
}

static bool fold_take_state(sqlite3_stmt *row, void *arg)
{
	struct fold *f = arg;

	f->bytes = sqlite3_column_int64(row, 0);
	f->lines = sqlite3_column_int64(row, 1);
	f->ino = sqlite3_column_int64(row, 2);
	return false;
}

/* The others still count; this one is read again. */
static void fold_unread(struct ledger *ledger, const struct err *why)
{
	if (ledger->unread.code == ERR_NONE)
		ledger->unread = *why;
}

/* A receipt of one that was put back from a backup: its journal goes on, and becomes the receipt again. */
static bool fold_is_back(struct ledger *ledger, const char *id)
{
	char path[PATHS_SIZE];
	struct err why;
	int there = paths_is_there(paths_sandbox(ledger->host, id, "journal", path), &why);

	if (there < 0)
		fold_unread(ledger, &why);
	return there != 0;
}

/* The journal at path, of which f knows how much is folded. */
static int fold_journal(struct fold *f, const char *path)
{
	struct stat st;
	struct err read_err;

	if (lstat(path, &st) < 0) {
		if (errno != ENOENT) { /* else it ended while we looked */
			(void)err_sys(&read_err, "can't look at %s", path);
			fold_unread(f->ledger, &read_err);
		}
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	if (ledger_query(f->ledger, f->err, fold_take_state, f,
			 "SELECT bytes, lines, ino FROM folded WHERE id=?1", "s", f->id) < 0)
		return -1;
	/* restored from a backup, say: all of it again */
	if (f->ino != 0 && f->ino != (long long)st.st_ino && fold_forget(f) < 0)
		return -1;
	if (f->bytes == st.st_size)
		return 0;
	if (journal_each(path, fold_visit, f, &read_err) < 0) {
		if (read_err.code != ERR_NOT_FOUND) /* else it is a receipt by now */
			fold_unread(f->ledger, &read_err);
		return f->rc;
	}
	if (f->rc < 0)
		return -1;
	return ledger_query(f->ledger, f->err, NULL, NULL,
			    "INSERT OR REPLACE INTO folded VALUES(?1, ?2, ?3, ?4)", "siii", f->id,
			    (long long)st.st_size, f->seq, (long long)st.st_ino);
}

static int fold_dir(struct ledger *ledger, const char *kind, bool *began, struct err *err)
{
	const struct host_config *host = ledger->host;
	char path[PATHS_SIZE];
	DIR *dir = opendir(paths_state(host, kind, path));
	const struct dirent *d;
	int rc = 0, more = dir || errno == ENOENT ? 0 : -1;
	struct err why;

	if (more < 0)
		(void)err_sys(&why, "can't open %s", path);
	while (rc == 0 && dir && (more = dir_next(dir, &d, &why)) > 0) {
		struct fold f = { .ledger = ledger, .id = d->d_name, .err = err, .began = *began };

		if (!id_is_valid(d->d_name) ||
		    (strcmp(kind, "receipts") == 0 && fold_is_back(ledger, d->d_name)))
			continue;
		if (strcmp(kind, "receipts") == 0)
			(void)paths_receipt(host, d->d_name, path);
		else
			(void)paths_sandbox(host, d->d_name, "journal", path);
		rc = fold_journal(&f, path);
		*began = f.began;
	}
	if (more < 0) {
		(void)err_wrap(&why, "%s", kind);
		fold_unread(ledger, &why);
	}
	if (dir)
		(void)closedir(dir);
	return rc;
}

/* FNV-1a */
static void fold_mix(uint32_t *hash, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		*hash = (*hash ^ (uint32_t)(value >> (8 * i) & 0xff)) * 16777619u;
}

static void fold_mix_file(uint32_t *hash, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	fold_mix(hash, st.st_ino);
	fold_mix(hash, S_ISDIR(st.st_mode) ? (uint64_t)st.st_mtim.tv_sec : (uint64_t)st.st_size);
	fold_mix(hash, S_ISDIR(st.st_mode) ? (uint64_t)st.st_mtim.tv_nsec : 0);
}

/* Journals grow; a receipt comes by a rename, which its directory shows. Its last lines are written just then: a sandbox's
 * directory goes after it, and shows that too. */
uint32_t ledger_fingerprint(const struct host_config *host)
{
	uint32_t hash = 2166136261u, start;
	char path[PATHS_SIZE];
	const struct dirent *d;
	DIR *dir;

	if (access(paths_state(host, "receipts", path), F_OK) < 0)
		return 0;
	fold_mix_file(&hash, path);
	fold_mix_file(&hash, paths_state(host, "sandboxes", path));
	fold_mix_file(&hash, paths_state(host, "names", path));
	start = hash;
	dir = opendir(paths_state(host, "sandboxes", path));
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		uint32_t one = start; /* their order says nothing */

		if (!id_is_valid(d->d_name))
			continue;
		fold_mix_file(&one, paths_sandbox(host, d->d_name, "journal", path));
		hash += one;
	}
	if (dir != NULL)
		(void)closedir(dir);
	hash &= 0x7fffffff; /* SQLite takes it as a signed one */
	return hash != 0 ? hash : 1;
}

/* With what was folded, in one transaction. */
static int fold_note(struct ledger *ledger, uint32_t fingerprint, struct err *err)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA application_id=%u", fingerprint);
	if (sqlite3_exec(ledger->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return err_set(err, ERR_FAILED, "ledger: %s", sqlite3_errmsg(ledger->db));
	return 0;
}

int ledger_fold(struct ledger *ledger, struct err *err)
{
	/* before the look: what comes while we look is looked at again */
	uint32_t fingerprint = ledger->in_passing ? ledger_fingerprint(ledger->host) : 0;
	bool began = fingerprint != 0;

	/* there is something to write: in one transaction no question takes a lock of its own, nor is any asked in vain */
	if (began && sqlite3_exec(ledger->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return err_set(err, ERR_FAILED, "ledger: %s", sqlite3_errmsg(ledger->db));
	if (fold_dir(ledger, "sandboxes", &began, err) < 0 ||
	    fold_dir(ledger, "receipts", &began, err) < 0 ||
	    (fingerprint != 0 && ledger->unread.code == ERR_NONE &&
	     fold_note(ledger, fingerprint, err) < 0)) {
		if (began)
			(void)sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	if (began && sqlite3_exec(ledger->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return err_set(err, ERR_FAILED, "ledger: %s", sqlite3_errmsg(ledger->db));
	return 0;
}
