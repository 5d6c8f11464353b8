/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

/*
 * Length of the well-formed UTF-8 character at p that is no control character (Unicode 15 table
 * 3-7), 0 when there is none; more than len when it is cut off by the end.
 */
static size_t character(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80			 ? 1
		   : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		   : (p[0] & 0xf0) == 0xe0	 ? 3
						 : 4;

	if (p[0] < 0x80)
		return p[0] >= ' ' && p[0] != 0x7f ? 1 : 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n && i < len; i++) {
		unsigned char low = 0x80, high = 0xbf;

		if (i == 1 && p[0] == 0xc2)
			low = 0xa0; /* U+0080 … U+009F are controls */
		else if (i == 1 && p[0] == 0xe0)
			low = 0xa0;
		else if (i == 1 && p[0] == 0xed)
			high = 0x9f;
		else if (i == 1 && p[0] == 0xf0)
			low = 0x90;
		else if (i == 1 && p[0] == 0xf4)
			high = 0x8f;
		if (p[i] < low || p[i] > high)
			return 0;
	}
	return n;
}

static size_t put_escaped(char *out, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";

	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[byte >> 4];
	out[3] = hex[byte & 15];
	return 4;
}

size_t text_escape(const char *bytes, size_t len, char *out, size_t *used)
{
	size_t at = 0, done = 0;

	while (at < len) {
		const unsigned char *p = (const unsigned char *)bytes + at;
		size_t n = character(p, len - at);

		if (*p == '\n' || *p == '\t' || (*p == '\r' && at + 1 < len && p[1] == '\n'))
			n = 1;
		if (n > len - at && used != NULL)
			break;
		if (n == 0 || n > len - at) {
			done += put_escaped(out + done, *p);
			at++;
			continue;
		}
		memcpy(out + done, p, n);
		done += n;
		at += n;
	}
	out[done] = '\0';
	if (used != NULL)
		*used = at;
	return done;
}

const char *text_line(const char *text, char *out, size_t size)
{
	size_t at = 0, len = strlen(text);

	for (size_t i = 0; i < len && at + 5 <= size;) {
		size_t n = character((const unsigned char *)text + i, len - i);

		if (n == 0 || n > len - i) {
			at += put_escaped(out + at, (unsigned char)text[i]);
			i++;
			continue;
		}
		memcpy(out + at, text + i, n);
		at += n;
		i += n;
	}
	out[at] = '\0';
	return out;
}

void text_table_row(struct text_table *table, const char *const cells[])
{
	size_t at = table->n_rows * table->n_columns;

	if (at + table->n_columns > table->room) {
		table->room = 2 * (at + table->n_columns);
		table->cells = reallocarray(table->cells, table->room, sizeof(*table->cells));
		BUG_ON(table->cells == NULL);
	}
	for (size_t i = 0; i < table->n_columns; i++) {
		table->cells[at + i] = strdup(cells[i]);
		BUG_ON(table->cells[at + i] == NULL);
	}
	table->n_rows++;
}

/* Columns on a screen: UTF-8 continuation bytes take none. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += (*(const unsigned char *)text & 0xc0) != 0x80;
	return n;
}

void text_table_print(const struct text_table *table, FILE *out)
{
	size_t widths[TEXT_MAX_COLUMNS] = { 0 };

	BUG_ON(table->n_columns > TEXT_MAX_COLUMNS);
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
		size_t w = width(table->cells[i]);

		if (w > widths[i % table->n_columns])
			widths[i % table->n_columns] = w;
	}
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
		size_t column = i % table->n_columns;
		bool last = column + 1 == table->n_columns;

		(void)fputs(table->cells[i], out);
		if (last)
			(void)fputc('\n', out);
		else
			(void)fprintf(out, "%*s",
				      (int)(widths[column] - width(table->cells[i]) + 2), "");
	}
}

void text_table_free(struct text_table *table)
{
	for (size_t i = 0; i < table->n_rows * table->n_columns; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct text_table){ .n_columns = table->n_columns };
}
