/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_LEDGER_H
#define CLI_LEDGER_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * The ledger: STATE_DIR/ledger.db (0600 root), an index over the journals of sandboxes and over the receipts of those that
 * are gone. These are the truth; the ledger can be deleted at any time and is then made anew from them. Nothing that ends a
 * sandbox reads it.
 *
 * Tables: see ledger_schema in ledger.c. Folding is idempotent: a journal's line is known by sandbox and position.
 */
struct ledger {
	sqlite3 *db;
	const struct host_config *host;
	bool useless;	 /* damaged, or of another version: to be made anew */
	bool in_passing; /* nobody has asked: it waits for nobody */
	struct err
		unread; /* why a journal isn't in it that should be: an answer from it isn't whole */
};

/*
 * Open it and fold in what is new. One that is damaged, or of another version, is made anew; where none can be written
 * (a full disk) the journals are folded into memory; both are said. 0, or -1 with err: then nothing is open.
 */
int ledger_open(struct ledger *ledger, const struct host_config *host, struct err *err);

void ledger_close(struct ledger *ledger);

/*
 * Fold in what is new, if there is anything: else no more than a look at the directories. Waits for nobody, says nothing, and
 * leaves a ledger that is damaged, locked or can't be written as it is: ledger_open sees to that when somebody asks.
 */
void ledger_refresh(const struct host_config *host);

/* A number that changes with every journal and receipt; 0: there are none. In ledger_fold.c. */
uint32_t ledger_fingerprint(const struct host_config *host);

/* Run sql with the texts and numbers that format names ("s", "i" each: const char *, long long) bound to ?1, ?2 …; row, when
 * not NULL, is called for each row until it returns false. 0, or -1 with err. */
typedef bool ledger_row(sqlite3_stmt *row, void *arg);
int ledger_query(struct ledger *ledger, struct err *err, ledger_row *row, void *arg,
		 const char *sql, const char *format, ...);

/* A column as text, "" for NULL; borrowed until the row function returns. */
const char *ledger_text(sqlite3_stmt *row, int column);

/* Bring it up to date; ledger_open has done so. In ledger_fold.c. 0, also where something is `unread`, or -1 with err. */
int ledger_fold(struct ledger *ledger, struct err *err);

#endif
