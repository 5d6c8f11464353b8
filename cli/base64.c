/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *data, size_t len, char *out)
{
	while (len > 0) {
		size_t n = len < 3 ? len : 3;
		uint32_t bits = (uint32_t)data[0] << 16;

		if (n > 1)
			bits |= (uint32_t)data[1] << 8;
		if (n > 2)
			bits |= data[2];
		out[0] = digits[bits >> 18];
		out[1] = digits[bits >> 12 & 63];
		out[2] = n > 1 ? digits[bits >> 6 & 63] : '=';
		out[3] = n > 2 ? digits[bits & 63] : '=';
		out += 4;
		data += n;
		len -= n;
	}
	*out = '\0';
}

/*
 * Four characters → one to three bytes; 0 when they are none. Unused bits must be zero: one
 * spelling per value.
 */
static size_t decode_group(const char *text, uint8_t out[3])
{
	uint32_t bits = 0;
	size_t pad = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

		bits <<= 6;
		if (text[i] == '=' && i >= 2)
			pad++;
		else if (digit == NULL || pad > 0)
			return 0;
		else
			bits |= (uint32_t)(digit - digits);
	}
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	return (pad > 0 && out[2] != 0) || (pad > 1 && out[1] != 0) ? 0 : 3 - pad;
}

ssize_t base64_decode(const char *text, size_t text_len, uint8_t *out, size_t max)
{
	size_t done = 0;

	if (text_len % 4 != 0)
		return -1;
	for (size_t i = 0; i < text_len; i += 4) {
		uint8_t group[3];
		size_t n = decode_group(text + i, group);

		if (n == 0 || (n < 3 && i + 4 < text_len) || n > max - done)
			return -1;
		memcpy(out + done, group, n);
		done += n;
	}
	return (ssize_t)done;
}
