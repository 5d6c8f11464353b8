/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>

#include "base/err.h"

/*
 * Small helpers over jansson. A text that may come from a guest is escaped as on a terminal: JSON
 * must be UTF-8.
 */
void json_put_text(json_t *object, const char *key, const char *text);
/* null for "" */
void json_put_optional(json_t *object, const char *key, const char *text);
void json_put_number(json_t *object, const char *key, long long number);
void json_put_bool(json_t *object, const char *key, int value);
/* null for 0, else "2026-12-01T17:00:00Z" */
void json_put_instant(json_t *object, const char *key, long long epoch_s);

/* Print on stdout, indented, with a newline, and release value. 0, or -1 with err. */
int json_print(json_t *value, struct err *err);

/* The same on one line, for streams. */
int json_print_line(json_t *value, struct err *err);

#endif
