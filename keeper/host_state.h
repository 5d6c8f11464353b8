/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_STATE_H
#define KEEPER_HOST_STATE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * STATE_DIR/host-state: what host_up is about to change and what was there before, one "KIND REST" line each, durable
 * before the change. A line holds for the boot in which it was written, except those of kind "group": /etc outlives a
 * boot, the rest of the host does not.
 */
#define HOST_STATE_LINE_MAX 512

/* Drop what an earlier boot left. make: create the file when it is missing (else that is fine, and nothing to do). */
int host_state_begin(const struct host_config *host, bool make, struct err *err);

/* Append the line, fsynced, unless the same line is there. */
int host_state_note(const struct host_config *host, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Call visit with the REST of each line of this kind, the newest first. Stops when visit returns -1, and returns that. */
int host_state_each(const struct host_config *host, const char *kind,
		    int (*visit)(const char *rest, void *arg, struct err *err), void *arg,
		    struct err *err);

/* Remove the file; absence is success. */
int host_state_forget(const struct host_config *host, struct err *err);

#endif
