/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_LABELS_H
#define STORE_LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * A sandbox's labels: lines KEY=VALUE, sorted by key, each key once (struct spec, labels). A key is 1 to 63 letters,
 * digits, '.', '_', '/' and '-', the first a letter or digit; a value is at most 128 bytes without control characters,
 * and may be empty. Pure.
 */
#define LABELS_KEY_MAX	 63
#define LABELS_VALUE_MAX 128

/* Put word ("KEY=VALUE") into labels, in place of the key's earlier value. 0, or -1 with err (ERR_USAGE). */
int labels_put(char labels[SPEC_LABELS_SIZE], const char *word, struct err *err);

/* Take the label of that key out. False: there is none. */
bool labels_drop(char labels[SPEC_LABELS_SIZE], const char *key);

/* Does labels hold what filter asks for: "KEY", whatever its value, or "KEY=VALUE"? */
bool labels_match(const char *labels, const char *filter);

/* Can filter be asked for? */
bool labels_is_filter(const char *filter);

/*
 * Take the next label: its key, terminated, and its value. Returns what follows it, for the next call; NULL at the end.
 */
struct label {
	char key[LABELS_KEY_MAX + 1];
	char value[LABELS_VALUE_MAX + 1];
};
const char *labels_next(const char *at, struct label *label);

/* Is the text as labels_put leaves it? It must be terminated. */
bool labels_are_valid(const char *labels);

#endif
