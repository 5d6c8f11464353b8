/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_TOML_H
#define CLI_TOML_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/err.h"

/*
 * TOML through toml++, seen from C: the values of a document's sections, one call each, in no
 * promised order. Two levels are enough for a configuration; whatever lies deeper, and a value
 * outside of any section, arrives as TOML_OTHER, so that nothing in the document goes unseen.
 */
enum toml_type {
	TOML_SECTION, /* a section's head itself (also of an empty one): key is NULL */
	TOML_STRING,
	TOML_INTEGER,
	TOML_BOOLEAN,
	TOML_STRINGS, /* an array of nothing but strings; may be empty */
	TOML_OTHER,   /* any other value: float, date, table, mixed array … */
};

#define TOML_MAX_STRINGS 16

struct toml_item {
	const char *section; /* "" for a value outside of any section */
	const char *key;
	enum toml_type type;
	const char *string;
	int64_t integer; /* TOML_BOOLEAN: 0 or 1 */
	const char *strings[TOML_MAX_STRINGS];
	size_t n_strings; /* may exceed TOML_MAX_STRINGS: the rest is not in strings */
};

/*
 * Pointers in item live for the call only. 0, or -1 with err: reading stops, the position is put
 * before its text.
 */
typedef int toml_item_fn(void *arg, const struct toml_item *item, struct err *err);

/*
 * Read the document text (len bytes), called `name` in messages. 0, or -1 with err: code ERR_USAGE,
 * the text begins with "NAME:LINE:COLUMN: ".
 */
int toml_read(const char *name, const char *text, size_t len, toml_item_fn *fn, void *arg,
	      struct err *err);

#ifdef __cplusplus
}
#endif

#endif
