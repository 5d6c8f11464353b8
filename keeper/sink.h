/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_SINK_H
#define KEEPER_SINK_H

#include "base/proto/ctl.h"

/* Where findings and progress go: stdout of `mayfly-keeper --…`, the log, or a test's array. */
struct sink {
	void (*put)(void *arg, const struct ctl_record *record);
	void *arg;
};

/* Make and put a record of this type and code with a printf text; a null sink, or one without put, drops it. */
void sink_put(const struct sink *sink, uint32_t type, uint32_t code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
