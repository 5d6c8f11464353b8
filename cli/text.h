/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Texts that may come from a guest reach a terminal only like this: whole UTF-8 characters and
 * newlines as they are, every other control character and byte as \xNN. A hostile guest can't move
 * the cursor, set titles or feed the keyboard.
 */

#define TEXT_ESCAPED_SIZE(len) (4 * (len) + 1)

/*
 * Escape len bytes into out (TEXT_ESCAPED_SIZE(len) bytes, terminated); returns the length. Up to 3
 * bytes at the end that begin a character are left for the next call: *used says how many were
 * taken; pass used NULL when there is none. Pure.
 */
size_t text_escape(const char *bytes, size_t len, char *out, size_t *used);

/*
 * A terminated text, newlines too escaped, into out of size bytes, cut when too long. Returns out.
 */
const char *text_line(const char *text, char *out, size_t size);

/*
 * A table: rows of n_columns texts, the first one is the head; columns are as wide as their widest
 * text.
 */
#define TEXT_MAX_COLUMNS 8
struct text_table {
	size_t n_columns;
	size_t n_rows, room;
	char **cells; /* n_rows * n_columns, owned */
};

/* Append a row, copying the texts. Memory that runs out ends the program with a bug trap. */
void text_table_row(struct text_table *table, const char *const cells[]);
void text_table_print(const struct text_table *table, FILE *out);
void text_table_free(struct text_table *table);

#endif
