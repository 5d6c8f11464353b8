/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_LOOK_H
#define KEEPER_LOOK_H

#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * Looks that cost the same for one sandbox as for all of the host: the connection tracker's whole table, all processes.
 * When many sandboxes end at once, one of them looks and the others take its answer.
 */
enum look_kind {
	LOOK_FLOWS, /* connections with the slot's mark */
	LOOK_UIDS,  /* processes of the slot's uid */
	LOOK_KINDS,
};

/*
 * Was anything of the slot there, by a look that began after this call? own is the uid or mark of the slot. Waits for
 * another process's look only for a bounded time, then looks itself. 1: there; 0: absent; -1 with err.
 */
int look(const struct host_config *host, enum look_kind kind, uint32_t own, struct err *err);

/* The file that a kind of look is shared through, below RUN_DIR (paths_make makes it). */
const char *look_file(enum look_kind kind);

#endif
