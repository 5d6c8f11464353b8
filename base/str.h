/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text forms that people type and read. Parsers take the whole string or refuse it: false, and *out is untouched. */

/* Copy src into dst of size bytes, always terminated; false when it didn't fit whole. */
bool str_copy(char *dst, size_t size, const char *src);

/* Decimal number without sign, space or leading '+', at most max. */
bool str_to_u64(const char *text, uint64_t max, uint64_t *out);

/* "512M", "8G", "1048576": bytes; suffixes K, M, G, T are powers of 1024. Zero is refused. */
bool str_to_size(const char *text, uint64_t *bytes);

/* "30s", "10m", "2h", "7d", "2w": whole seconds, at least 1; a bare number is refused (its unit would be a guess). */
bool str_to_duration(const char *text, uint64_t *seconds);

/* "2026-12-01T17:00Z", "2026-12-01T17:00:30Z", "…+01:00" or "2026-12-01" (its end, 24:00 UTC): seconds since the epoch. */
bool str_to_instant(const char *text, int64_t *epoch_s);

/* The reverse; buf is always terminated. Returns buf. */
const char *str_from_size(uint64_t bytes, char *buf, size_t size); /* "512M", "1.5G" */
const char *str_from_duration(uint64_t seconds, char *buf,
			      size_t size); /* "6d 23h", "7d", "1h 5m", "42s" */
const char *str_from_instant(int64_t epoch_s, char *buf, size_t size); /* "2026-12-01T17:00:00Z" */

/* Is word one of words, which single spaces part? */
bool str_has_word(const char *words, const char *word);

/* Letters, digits and inner hyphens, 1 to 40 characters, first a letter or digit: a sandbox's name, a user's label. */
bool str_is_name(const char *text);

#define STR_NAME_MAX	 40
#define STR_INSTANT_SIZE 24

#endif
