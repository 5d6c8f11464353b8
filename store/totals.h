/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_TOTALS_H
#define STORE_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * What all sandboxes of the host have together, against what they may (struct host_totals). Who has a name counts as a
 * sandbox, with its disk; who holds a slot runs, and counts with the CPUs and the memory that its status says. Both are taken
 * under claim.lock, so a look under it, followed by the taking, lets no two into the last place.
 */
struct totals {
	uint32_t sandboxes, cpus;
	uint64_t memory_mib, disk_mib;
};

enum totals_kind {
	TOTALS_KEPT = 1,    /* sandboxes and disk */
	TOTALS_RUNNING = 2, /* CPUs and memory */
};

/* Count what `kinds` says, without the sandbox id. What is damaged or of another version counts as little as is known
 * of it. 0, or -1 with err, also when something that may be there can't be read. */
int totals_look(const struct host_config *host, const char *id, unsigned kinds,
		struct totals *totals, struct err *err);

/* Is there room for this one as well? 0, or -1 with err (ERR_FAILED), which names the key of the policy. Pure. */
int totals_decide(const struct spec *spec, unsigned kinds, const struct totals *totals,
		  struct err *err);

/* Both; nothing is looked at where nothing is limited. */
int totals_check(const struct spec *spec, unsigned kinds, struct err *err);

#define TOTALS_SIZE_TEXT 16

/* As the configuration writes a size, exact: "512M", "2G", "1T". Returns out. Pure. */
const char *totals_size(uint64_t mib, char out[TOTALS_SIZE_TEXT]);

#endif
