/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* RFC 4648 §4, with padding, without line breaks. Pure. */

#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* out holds BASE64_SIZE(len) bytes and is terminated. */
void base64_encode(const uint8_t *data, size_t len, char *out);

/*
 * Decode text_len characters into at most max bytes: their count, or -1 when it isn't canonical
 * base64 or too long.
 */
ssize_t base64_decode(const char *text, size_t text_len, uint8_t *out, size_t max);

#endif
