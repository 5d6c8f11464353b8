/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/limits.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/str.h"

#define WORD_SIZE 64

static const char *take_bytes(const char *text, uint64_t *bytes)
{
	uint64_t value;

	if (*bytes != 0)
		return "says bytes twice";
	if (!str_to_size(text, &value) || value < LIMITS_BYTES_MIN || value > LIMITS_BYTES_MAX)
		return "bytes must be a size of 4K to 1T: 10M";
	*bytes = value;
	return NULL;
}

static const char *take_ops(const char *text, uint64_t *ops)
{
	uint64_t value;

	if (*ops != 0)
		return "says operations twice";
	if (!str_to_u64(text, LIMITS_OPS_MAX, &value) || value == 0)
		return "operations must be a number of 1 to 1000000000: ops=500";
	*ops = value;
	return NULL;
}

static const char *take_word(const char *word, bool bursts, struct spec_rate *rate)
{
	bool burst_ops = strncmp(word, "burst-ops=", 10) == 0;
	bool burst = strncmp(word, "burst=", 6) == 0;

	if ((burst || burst_ops) && !bursts)
		return "takes no burst";
	if (burst)
		return take_bytes(word + 6, &rate->burst_bytes);
	if (burst_ops)
		return take_ops(word + 10, &rate->burst_ops);
	if (strncmp(word, "ops=", 4) == 0)
		return take_ops(word + 4, &rate->ops_per_s);
	return take_bytes(word, &rate->bytes_per_s);
}

const char *limits_parse_rate(const char *text, bool bursts, struct spec_rate *rate)
{
	struct spec_rate read = { 0 };
	char word[WORD_SIZE];

	if (strcmp(text, "none") == 0) {
		*rate = read;
		return NULL;
	}
	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		const char *wrong;

		if (len == 0 || len >= sizeof(word))
			return bursts ? "write it as 10M, 10M,burst=64M, ops=500 or none"
				      : "write it as 10M, ops=500, 10M,ops=500 or none";
		memcpy(word, at, len);
		word[len] = '\0';
		wrong = take_word(word, bursts, &read);
		if (wrong != NULL)
			return wrong;
		at += len;
		if (*at == '\0')
			break;
	}
	if ((read.burst_bytes != 0 && read.bytes_per_s == 0) ||
	    (read.burst_ops != 0 && read.ops_per_s == 0))
		return "has a burst without its rate";
	*rate = read;
	return NULL;
}

/* "10M" where that is exact, else the plain number. */
static const char *exact_size(uint64_t bytes, char *out, size_t size)
{
	static const char units[] = "KMGT";
	int unit = -1;

	while (unit + 1 < 4 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(out, size, "%llu%.1s", (unsigned long long)bytes,
		       unit >= 0 ? units + unit : "");
	return out;
}

const char *limits_rate_text(const struct spec_rate *rate, char out[LIMITS_RATE_TEXT_SIZE])
{
	const struct {
		const char *before;
		uint64_t value;
		bool bytes;
	} words[] = {
		{ "", rate->bytes_per_s, true },
		{ "ops=", rate->ops_per_s, false },
		{ "burst=", rate->burst_bytes, true },
		{ "burst-ops=", rate->burst_ops, false },
	};
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char number[32];

		if (words[i].value == 0)
			continue;
		if (words[i].bytes)
			(void)exact_size(words[i].value, number, sizeof(number));
		else
			(void)snprintf(number, sizeof(number), "%llu",
				       (unsigned long long)words[i].value);
		at += (size_t)snprintf(out + at, LIMITS_RATE_TEXT_SIZE - at, "%s%s%s",
				       at > 0 ? "," : "", words[i].before, number);
	}
	return out;
}
