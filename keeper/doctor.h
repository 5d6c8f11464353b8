/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_DOCTOR_H
#define KEEPER_DOCTOR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * What a sandbox needs of its host, and what its administrator should know of it: one table of checks, each of which says
 * one sentence and, unless all is well, one mend. `doctor` walks it; a step of bring-up that has failed asks the checks
 * it rests on (doctor_explain), so that `create` says the same sentences.
 */
enum doctor_level {
	DOCTOR_GOOD,
	DOCTOR_NOTE, /* sandboxes run; somebody should have decided this */
	DOCTOR_BAD,  /* create fails, or what it promises doesn't hold */
};

#define DOCTOR_TEXT_SIZE 208 /* two of them and ERR_MEND fit into a record's text */

struct doctor_finding {
	char text[DOCTOR_TEXT_SIZE]; /* one sentence, without a final stop */
	char mend[DOCTOR_TEXT_SIZE]; /* the same; not for DOCTOR_GOOD */
};

/* Changes nothing on the host. */
typedef enum doctor_level doctor_check(const struct host_config *host, struct doctor_finding *f);

struct doctor_row {
	const char *name; /* one word, for --only */
	doctor_check *check;
	bool only_root; /* nobody else can look, so nothing can be said */
};

/* Fill f and return level. The mend doesn't count with DOCTOR_GOOD. */
enum doctor_level doctor_say(struct doctor_finding *f, enum doctor_level level, const char *mend,
			     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The first `size` - 1 bytes of a file of the kernel's, without its last newline; false when it isn't there. */
bool doctor_read(const char *path, char *text, size_t size);

/* The number that such a file begins with, or -1. */
long long doctor_number(const char *path);

/* The parts of the table; each ends with an empty row. */
extern const struct doctor_row doctor_host_rows[]; /* doctor.c: what mayfly made or was told */
extern const struct doctor_row
	doctor_kernel_rows[]; /* doctor_kernel.c: what the kernel must be able to do */
extern const struct doctor_row doctor_net_rows[];  /* doctor_net.c: gate, forwarding, addresses */
extern const struct doctor_row doctor_room_rows[]; /* doctor_room.c: what can run out; clock */
extern const struct doctor_row doctor_risk_rows[]; /* doctor_risk.c: notes on what leaks */

/*
 * Run all checks, or the one named `only` (NULL: all). One CTL_ITEM each, with the check's word as name and code 0 for
 * good news, CTL_NOTE for a note; the text is "WORD: sentence", then ERR_MEND and the mend. Returns the number of bad ones.
 */
int doctor_run(const struct host_config *host, const char *only, const struct sink *sink);

/*
 * After a failure: if one of the checks named in `words` (separated by spaces) is bad, its sentence and mend take the place
 * of err's text; code stays. cause goes between them, in brackets; NULL: the sentence says it all.
 */
void doctor_explain(const struct host_config *host, const char *words, const char *cause,
		    struct err *err);

#endif
