/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_MANY_H
#define CLI_MANY_H

#include <jansson.h>

#include "base/err.h"

/* Several names: all that can be done is done, then each failure is told. */
struct many {
	struct err last; /* ERR_NONE: none failed yet */
	int code;	 /* what they have in common */
	json_t *list; /* with --format json, json_array(): what became of each; many_result prints it */
};

/* What became of one: err's code is ERR_NONE, or it failed (as many_failed). id "": it wasn't found. */
void many_done(struct many *many, const char *name, const char *id, const struct err *err);

/* A failure: those before it are printed. */
void many_failed(struct many *many, const struct err *err);

/* The verb's own: 0, or -1 with err, the last one, which main prints. Different codes are ERR_FAILED together. */
int many_result(const struct many *many, struct err *err);

#endif
