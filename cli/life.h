/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_LIFE_H
#define CLI_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/config.h"

/* What the user said about how long a sandbox may live. */
struct life {
	const char *ttl;   /* --ttl, or NULL */
	const char *until; /* --until, or NULL */
};

/*
 * --grace (NULL: the site's), at most the site's longest; "0s" is none. keeps: it has a disk that
 * outlives its runs. 0, or -1 with err (ERR_USAGE). Pure.
 */
int life_grace(const char *grace, const struct config *config, bool keeps, uint64_t *grace_s,
	       struct err *err);

/*
 * The absolute date that it means at now_s, within the site's limits. With neither, the site's
 * default life, and *by_default is set. 0, or -1 with err (ERR_USAGE, naming the limits). Pure.
 */
int life_deadline(const struct life *life, const struct config *config, int64_t now_s,
		  int64_t *deadline_s, bool *by_default, struct err *err);

#endif
