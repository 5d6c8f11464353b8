/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/emit.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static void emit_bytes(struct emit *e, const void *bytes, size_t len)
{
	if (len > e->size - e->len) {
		e->full = true;
		return;
	}
	memcpy(e->buf + e->len, bytes, len);
	e->len += len;
}

static void emit_word(struct emit *e, const char *word)
{
	emit_bytes(e, word, strlen(word));
}

/* Length of the well-formed sequence of more than one byte at p (Unicode 15, table 3-7); 0: there is none. */
static size_t emit_utf8(const unsigned char *p)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
		if (p[i] < low || p[i] > high)
			return 0;
	return n;
}

static void emit_string(struct emit *e, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	char escape[8];

	emit_word(e, "\"");
	while (*p) {
		size_t n = *p < 0x80 ? 1 : emit_utf8(p);

		if (n == 0) {
			emit_word(e, "\\ufffd");
			n = 1;
		} else if (n == 1 && (*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')) {
			(void)snprintf(escape, sizeof(escape), "\\u%04x", *p);
			emit_word(e, escape);
		} else {
			emit_bytes(e, p, n);
		}
		p += n;
	}
	emit_word(e, "\"");
}

static void emit_key(struct emit *e, const char *key)
{
	if (!e->first)
		emit_word(e, ",");
	e->first = false;
	emit_string(e, key);
	emit_word(e, ":");
}

void emit_begin(struct emit *e, char *buf, size_t size)
{
	*e = (struct emit){ .buf = buf, .size = size, .first = true };
	emit_word(e, "{");
}

void emit_text(struct emit *e, const char *key, const char *text)
{
	emit_key(e, key);
	if (text)
		emit_string(e, text);
	else
		emit_word(e, "null");
}

void emit_number(struct emit *e, const char *key, int64_t number)
{
	char word[24];

	(void)snprintf(word, sizeof(word), "%lld", (long long)number);
	emit_key(e, key);
	emit_word(e, word);
}

void emit_bool(struct emit *e, const char *key, bool value)
{
	emit_key(e, key);
	emit_word(e, value ? "true" : "false");
}

void emit_null(struct emit *e, const char *key)
{
	emit_text(e, key, NULL);
}

void emit_instant(struct emit *e, const char *key, int64_t epoch_s)
{
	char text[STR_INSTANT_SIZE];

	emit_text(e, key, str_from_instant(epoch_s, text, sizeof(text)));
}

void emit_open(struct emit *e, const char *key)
{
	emit_key(e, key);
	emit_word(e, "{");
	e->first = true;
}

void emit_close(struct emit *e)
{
	emit_word(e, "}");
	e->first = false;
}

size_t emit_end(struct emit *e)
{
	emit_word(e, "}\n");
	return e->full ? 0 : e->len;
}
