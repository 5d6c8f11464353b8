/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_SPECVIEW_H
#define CLI_SPECVIEW_H

#include <jansson.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/text.h"

/* What was asked for, as show and --dry-run print it. Private keys stay out. */

/* A line "KEY  VALUE" of a table of two columns; none for an empty value. A guest's or a user's text is escaped. */
void specview_line(struct text_table *table, const char *key, const char *value);

/* The lines of spec. */
void specview_lines(struct text_table *table, const struct spec *spec);

/* "K=V, K=V"; cut where out ends. Returns out. */
const char *specview_labels(const struct spec *spec, char *out, size_t size);

/* An object of strings. */
json_t *specview_labels_json(const struct spec *spec);

/* Put spec's keys into object. */
void specview_json(json_t *object, const struct spec *spec);

/* --dry-run: is the host prepared? Then print what would be made, and wipe spec. 0, or -1 with err. */
int specview_dry_run(struct spec *spec, struct err *err);

#endif
