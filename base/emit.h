/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_EMIT_H
#define BASE_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One JSON object (RFC 8259) into a buffer, for programs that link no JSON library. Texts may hold anything: what isn't UTF-8
 * becomes U+FFFD. Keys are ours, plain ASCII. Nothing fails on the way; emit_end tells whether all of it fitted.
 */
struct emit {
	char *buf;
	size_t size, len;
	bool full;
	bool first; /* member of its object */
};

void emit_begin(struct emit *e, char *buf, size_t size);
void emit_text(struct emit *e, const char *key, const char *text); /* NULL: null */
void emit_number(struct emit *e, const char *key, int64_t number);
void emit_bool(struct emit *e, const char *key, bool value);
void emit_null(struct emit *e, const char *key);
/* A date, "2026-12-01T17:00:00Z". */
void emit_instant(struct emit *e, const char *key, int64_t epoch_s);
/* An object as a member. */
void emit_open(struct emit *e, const char *key);
void emit_close(struct emit *e);

/* Its bytes, a line's end included; 0: it did not fit. */
size_t emit_end(struct emit *e);

#endif
