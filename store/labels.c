/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/labels.h"

#include <stdio.h>
#include <string.h>

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool is_key(const char *key, size_t len)
{
	return len >= 1 && len <= LABELS_KEY_MAX && strchr(ALPHANUMERIC, key[0]) != NULL &&
	       strspn(key, ALPHANUMERIC "._/-") >= len;
}

static bool is_value(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == '\x7f')
			return false;
	return len <= LABELS_VALUE_MAX;
}

bool labels_is_filter(const char *filter)
{
	size_t len = strcspn(filter, "=");

	return is_key(filter, len) &&
	       (filter[len] == '\0' || is_value(filter + len + 1, strlen(filter + len + 1)));
}

const char *labels_next(const char *at, struct label *label)
{
	const char *end = strchr(at, '\n'), *equals = strchr(at, '=');
	size_t key_len, value_len;

	if (!end || !equals || equals > end)
		return NULL;
	key_len = (size_t)(equals - at);
	value_len = (size_t)(end - equals) - 1;
	if (!is_key(at, key_len) || !is_value(equals + 1, value_len))
		return NULL;
	memcpy(label->key, at, key_len);
	label->key[key_len] = '\0';
	memcpy(label->value, equals + 1, value_len);
	label->value[value_len] = '\0';
	return end + 1;
}

bool labels_are_valid(const char *labels)
{
	struct label label, last = { "", "" };
	const char *at = labels, *next;

	while ((next = labels_next(at, &label))) {
		if (strcmp(last.key, label.key) >= 0)
			return false;
		last = label;
		at = next;
	}
	return *at == '\0';
}

bool labels_match(const char *labels, const char *filter)
{
	size_t len = strcspn(filter, "=");
	struct label label;

	for (const char *at = labels; (at = labels_next(at, &label));)
		if (strlen(label.key) == len && memcmp(label.key, filter, len) == 0)
			return filter[len] == '\0' || strcmp(label.value, filter + len + 1) == 0;
	return false;
}

int labels_put(char labels[SPEC_LABELS_SIZE], const char *word, struct err *err)
{
	size_t key_len = strcspn(word, "="), used = strlen(labels), line_len = strlen(word) + 1;
	const char *at = labels, *next;
	size_t from, to;
	struct label label;

	if (!is_key(word, key_len))
		return err_set(err, ERR_USAGE,
			       "%.80s: not a label: KEY=VALUE, the key of letters, digits and . _ "
			       "/ -, at most %d",
			       word, LABELS_KEY_MAX);
	if (word[key_len] == '\0')
		return err_set(err, ERR_USAGE, "%.80s: the value is missing: KEY=VALUE", word);
	if (!is_value(word + key_len + 1, line_len - key_len - 2))
		return err_set(err, ERR_USAGE, "%.80s: the value is one line of at most %d bytes",
			       word, LABELS_VALUE_MAX);
	while ((next = labels_next(at, &label)) &&
	       (strncmp(label.key, word, key_len) < 0 ||
		(strncmp(label.key, word, key_len) == 0 && strlen(label.key) < key_len)))
		at = next;
	from = (size_t)(at - labels);
	/* the line that goes, if there is one of this key, makes room for the new one */
	to = next && strlen(label.key) == key_len && memcmp(label.key, word, key_len) == 0
		     ? (size_t)(next - labels)
		     : from;
	if (used - (to - from) + line_len >= SPEC_LABELS_SIZE)
		return err_set(err, ERR_USAGE, "%.80s: too many labels: %d bytes in all", word,
			       SPEC_LABELS_SIZE - 1);
	memmove(labels + from + line_len, labels + to, used - to + 1);
	memcpy(labels + from, word, line_len - 1);
	labels[from + line_len - 1] = '\n';
	if (from + line_len + (used - to) < SPEC_LABELS_SIZE) /* unused bytes are zero */
		memset(labels + from + line_len + (used - to), 0,
		       SPEC_LABELS_SIZE - (from + line_len + (used - to)));
	return 0;
}

bool labels_drop(char labels[SPEC_LABELS_SIZE], const char *key)
{
	const char *at = labels, *next;
	size_t from, to, used = strlen(labels);
	struct label label;

	while ((next = labels_next(at, &label)) && strcmp(label.key, key) != 0)
		at = next;
	if (!next)
		return false;
	from = (size_t)(at - labels);
	to = (size_t)(next - labels);
	memmove(labels + from, labels + to, used - to);
	memset(labels + from + (used - to), 0, to - from); /* unused bytes are zero */
	return true;
}
