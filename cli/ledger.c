/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/ledger.h"

#include <endian.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "store/paths.h"

#define LEDGER_VERSION	 3 /* pragma user_version, below too; another one: made anew */
#define LEDGER_WAIT_MS	 5000
#define LEDGER_WORD_SIZE 128

/* seq: the line's position in its journal, from 1. Instants are seconds since the epoch. */
static const char ledger_schema[] =
	"CREATE TABLE folded(id TEXT PRIMARY KEY, bytes INTEGER, lines INTEGER, ino INTEGER) "
	"WITHOUT ROWID;"
	"CREATE TABLE events(id TEXT, seq INTEGER, at_s INTEGER, word TEXT, kind TEXT, name TEXT, "
	"text TEXT,"
	" PRIMARY KEY(id, seq)) WITHOUT ROWID;"
	"CREATE TABLE sandboxes(id TEXT PRIMARY KEY, name TEXT, owner TEXT, durable INTEGER, "
	"created_s INTEGER,"
	" deadline_s INTEGER, ended_s INTEGER, gone_s INTEGER, reason TEXT) WITHOUT ROWID;"
	"CREATE INDEX sandboxes_by_name ON sandboxes(name);"
	"CREATE TABLE deadlines(id TEXT, seq INTEGER, at_s INTEGER, deadline_s INTEGER, who TEXT, "
	"why TEXT,"
	" PRIMARY KEY(id, seq)) WITHOUT ROWID;"
	"CREATE TABLE people(id TEXT, fingerprint TEXT, person TEXT, since_s INTEGER,"
	" PRIMARY KEY(id, fingerprint)) WITHOUT ROWID;"
	"CREATE TABLE ports(id TEXT, seq INTEGER, at_s INTEGER, what TEXT, guest INTEGER, PRIMARY "
	"KEY(id, seq)) "
	"WITHOUT ROWID;"
	"CREATE TABLE receipts(id TEXT, kind TEXT, name TEXT, made_s INTEGER, identity TEXT, "
	"absent_s INTEGER, look TEXT,"
	" PRIMARY KEY(id, kind, name)) WITHOUT ROWID;";

static int ledger_error(struct ledger *ledger, struct err *err, const char *what)
{
	int code = ledger->db ? sqlite3_errcode(ledger->db) & 0xff : SQLITE_NOMEM;

	/* a full disk or a lock that is held is no damage */
	ledger->useless = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
	return err_set(err, ERR_FAILED, "ledger: %s: %s", what,
		       ledger->db ? sqlite3_errmsg(ledger->db) : "no memory");
}

static int ledger_exec(struct ledger *ledger, const char *sql, struct err *err)
{
	if (sqlite3_exec(ledger->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return ledger_error(ledger, err, "can't be written");
	return 0;
}

const char *ledger_text(sqlite3_stmt *row, int column)
{
	const unsigned char *text = sqlite3_column_text(row, column);

	return text ? (const char *)text : "";
}

static int ledger_bind(sqlite3_stmt *stmt, const char *format, va_list args)
{
	int rc = SQLITE_OK;

	for (int i = 0; rc == SQLITE_OK && format[i] != '\0'; i++) {
		rc = SQLITE_MISUSE;

		if (format[i] == 's')
			rc = sqlite3_bind_text(stmt, i + 1, va_arg(args, const char *), -1,
					       SQLITE_TRANSIENT);
		else if (format[i] == 'i')
			rc = sqlite3_bind_int64(stmt, i + 1, va_arg(args, long long));
		BUG_ON(rc == SQLITE_MISUSE || rc == SQLITE_RANGE);
	}
	return rc;
}

int ledger_query(struct ledger *ledger, struct err *err, ledger_row *row, void *arg,
		 const char *sql, const char *format, ...)
{
	sqlite3_stmt *stmt;
	va_list args;
	int rc;

	if (sqlite3_prepare_v2(ledger->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return ledger_error(ledger, err, "can't be read");
	va_start(args, format);
	rc = ledger_bind(stmt, format, args);
	va_end(args);
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && (row == NULL || row(stmt, arg)))
			;
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		rc = ledger_error(ledger, err, "can't be read or written");
	else
		rc = 0;
	(void)sqlite3_finalize(stmt);
	return rc;
}

/* ---- opening ---- */

static bool ledger_take_int(sqlite3_stmt *row, void *arg)
{
	*(long long *)arg = sqlite3_column_int64(row, 0);
	return false;
}

/*
 * WAL with synchronous=FULL: what was committed survives a power loss (sqlite.org/wal.html). In passing NORMAL is enough:
 * a power loss may take the last transactions whole, and with them the note of what was folded. The file's mode is set by
 * umask, since SQLite gives its -wal and -shm files that of the database.
 */
static int ledger_connect(struct ledger *ledger, const char *path, struct err *err)
{
	mode_t mask = umask(077);
	int rc = sqlite3_open_v2(path, &ledger->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW,
				 NULL);

	if (rc == SQLITE_OK)
		(void)sqlite3_busy_timeout(ledger->db, ledger->in_passing ? 0 : LEDGER_WAIT_MS);
	rc = rc == SQLITE_OK
		     ? ledger_exec(ledger,
				   ledger->in_passing
					   ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
					   : "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
				   err)
		     : ledger_error(ledger, err, "can't be opened");
	if (rc == 0)
		/* what is sorted may want more room than a full disk has */
		rc = ledger_exec(ledger,
				 "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; "
				 "PRAGMA temp_store=MEMORY",
				 err);
	(void)umask(mask);
	return rc;
}

static int ledger_make(struct ledger *ledger, struct err *err)
{
	long long version = 0, tables = 0;

	if (ledger_query(ledger, err, ledger_take_int, &version, "PRAGMA user_version", "") < 0 ||
	    ledger_query(ledger, err, ledger_take_int, &tables,
			 "SELECT count(*) FROM sqlite_schema", "") < 0)
		return -1;
	if (version == LEDGER_VERSION)
		return 0;
	if (tables != 0) {
		ledger->useless = true;
		return err_set(err, ERR_FAILED, "ledger: it is of version %lld, not %d", version,
			       LEDGER_VERSION);
	}
	/* one transaction: two that make it at once don't see each other's half */
	if (ledger_exec(ledger, "BEGIN IMMEDIATE", err) < 0 ||
	    ledger_query(ledger, err, ledger_take_int, &version, "PRAGMA user_version", "") < 0)
		return -1;
	if (version != LEDGER_VERSION && (ledger_exec(ledger, ledger_schema, err) < 0 ||
					  ledger_exec(ledger, "PRAGMA user_version=3", err) < 0))
		return -1;
	return ledger_exec(ledger, "COMMIT", err);
}

static bool ledger_take_word(sqlite3_stmt *row, void *arg)
{
	(void)snprintf(arg, LEDGER_WORD_SIZE, "%s", ledger_text(row, 0));
	return false;
}

/* A page that only the question itself would meet: somebody has asked, and an answer is to come. */
static int ledger_check(struct ledger *ledger, struct err *err)
{
	char word[LEDGER_WORD_SIZE] = "";

	if (ledger->in_passing)
		return 0;
	if (ledger_query(ledger, err, ledger_take_word, word, "PRAGMA quick_check(1)", "") < 0)
		return -1;
	if (strcmp(word, "ok") == 0)
		return 0;
	ledger->useless = true;
	return err_set(err, ERR_FAILED, "ledger: it is damaged");
}

static int ledger_try(struct ledger *ledger, const char *path, struct err *err)
{
	ledger->unread.code = ERR_NONE;
	if (ledger_connect(ledger, path, err) == 0 && ledger_make(ledger, err) == 0 &&
	    ledger_check(ledger, err) == 0 && ledger_fold(ledger, err) == 0)
		return 0;
	ledger_close(ledger);
	return -1;
}

static void ledger_remove(const char *path)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char file[PATHS_SIZE + 8];

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		(void)snprintf(file, sizeof(file), "%s%s", path, tails[i]);
		(void)unlink(file);
	}
}

/* The state directory may be a link; the ledger itself may not, and SQLITE_OPEN_NOFOLLOW is about all of the path. */
static void ledger_path(const struct host_config *host, char path[PATHS_SIZE])
{
	char *real = realpath(host->state_dir, NULL);
	int n = real ? snprintf(path, PATHS_SIZE, "%s/ledger.db", real) : -1;

	if (n < 0 || n >= PATHS_SIZE)
		(void)paths_state(host, "ledger.db", path);
	free(real);
}

int ledger_open(struct ledger *ledger, const struct host_config *host, struct err *err)
{
	char path[PATHS_SIZE];

	*ledger = (struct ledger){ .host = host };
	ledger_path(host, path);
	if (ledger_try(ledger, path, err) == 0)
		return 0;
	if (ledger->useless) {
		log_warning("%s; it is made anew from the journals", err->text);
		ledger_remove(path);
		if (ledger_try(ledger, path, err) == 0)
			return 0;
	}
	/* a full disk, one that can be read only, somebody who holds it: the journals say the same */
	log_warning("%s; the journals are read instead", err->text);
	return ledger_try(ledger, ":memory:", err);
}

/* Where SQLite keeps PRAGMA application_id, big endian (sqlite.org/fileformat.html, 1.3): it is set with what it tells of. */
#define LEDGER_FINGERPRINT_AT 68

static bool ledger_is_fresh(const char *path, uint32_t fingerprint)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint32_t noted;

	return fd >= 0 &&
	       pread(fd, &noted, sizeof(noted), LEDGER_FINGERPRINT_AT) == (ssize_t)sizeof(noted) &&
	       be32toh(noted) == fingerprint;
}

void ledger_refresh(const struct host_config *host)
{
	struct ledger ledger = { .host = host, .in_passing = true };
	uint32_t fingerprint = ledger_fingerprint(host);
	char path[PATHS_SIZE];
	struct err ignored;

	ledger_path(host, path);
	if (fingerprint == 0 || ledger_is_fresh(path, fingerprint))
		return;
	if (ledger_try(&ledger, path, &ignored) == 0)
		ledger_close(&ledger);
}

void ledger_close(struct ledger *ledger)
{
	(void)sqlite3_close(ledger->db);
	ledger->db = NULL;
}
