/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* A guest's bytes on our stdout, in pieces: as they are, or escaped (cli/text.h) where a terminal reads them. */
#define OUTPUT_CHUNK 16384

struct output {
	bool escape;
	char rest[4]; /* the beginning of a character */
	size_t n_rest;
};

/* Write at most OUTPUT_CHUNK bytes. 0, or -1 with err. */
int output_put(struct output *output, const char *bytes, size_t len, struct err *err);

#endif
