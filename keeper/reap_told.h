/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_TOLD_H
#define KEEPER_REAP_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/* What the journal tells: whether it ever was ready, and why it has ended since; 0: it has not. */
struct reap_told {
	bool ran, durable;
	uint32_t end;
	uint64_t grace_s;
};

/* From the journal of id, or its receipt. 0, or -1 with err (ERR_NOT_FOUND: there is neither). */
int reap_told_read(const struct host_config *host, const char *id, struct reap_told *told,
		   struct err *err);

#endif
