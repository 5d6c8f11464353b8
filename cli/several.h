/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_SEVERAL_H
#define CLI_SEVERAL_H

#include "base/err.h"

/*
 * Several names: all that can be done is done, then each failure is one line on stderr. The last one
 * becomes the verb's own error, with the code that all failures share, else ERR_FAILED.
 * Starts as { 0 }.
 */
struct several {
	int n;
	struct err last;
};

void several_failed(struct several *several, const struct err *err);

/* 0 when nothing failed, else -1 with err. */
int several_end(const struct several *several, struct err *err);

#endif
