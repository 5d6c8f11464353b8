/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_H
#define KEEPER_REAP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * End what nobody holds any more: what a dead keeper left, a date that came while nothing ran, a half-made sandbox, a
 * keeper that outlived its date. One CTL_ITEM each (code 0: done, or with dry_run: would be). Any number may run at once.
 * Returns 0, or -1 with err (ERR_RESIDUE when something is left).
 */
int reap_run(const struct host_config *host, bool dry_run, const struct sink *sink,
	     struct err *err);

/*
 * Destroy one sandbox whose keeper can't be asked (none lives, or with force: it is killed). ERR_NOT_FOUND, ERR_RESIDUE.
 */
int reap_destroy(const struct host_config *host, const char *id, bool force,
		 const struct sink *sink, struct err *err);

#endif
