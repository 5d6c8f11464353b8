/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/json.h"

#include <stdio.h>

#include "base/bug.h"
#include "base/str.h"
#include "cli/text.h"

static void put(json_t *object, const char *key, json_t *value)
{
	int rc = json_object_set_new(object, key, value);

	BUG_ON(rc < 0);
}

void json_put_text(json_t *object, const char *key, const char *text)
{
	char line[4096];

	put(object, key, json_string(text_line(text, line, sizeof(line))));
}

void json_put_optional(json_t *object, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_put_text(object, key, text);
	else
		put(object, key, json_null());
}

void json_put_number(json_t *object, const char *key, long long number)
{
	put(object, key, json_integer(number));
}

void json_put_bool(json_t *object, const char *key, int value)
{
	put(object, key, json_boolean(value));
}

void json_put_instant(json_t *object, const char *key, long long epoch_s)
{
	char text[STR_INSTANT_SIZE];

	put(object, key,
	    epoch_s == 0 ? json_null()
			 : json_string(str_from_instant(epoch_s, text, sizeof(text))));
}

/* Real numbers to 6 digits: more than any of ours is worth. */
static int print(json_t *value, size_t flags, struct err *err)
{
	int rc = json_dumpf(value, stdout, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));

	json_decref(value);
	if (rc < 0 || putchar('\n') == EOF || fflush(stdout) == EOF)
		return err_sys(err, "can't write to stdout");
	return 0;
}

int json_print(json_t *value, struct err *err)
{
	return print(value, JSON_INDENT(2), err);
}

int json_print_line(json_t *value, struct err *err)
{
	return print(value, JSON_COMPACT, err);
}
