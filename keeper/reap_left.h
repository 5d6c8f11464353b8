/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_LEFT_H
#define KEEPER_REAP_LEFT_H

#include <stdbool.h>

#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * Ids of which a name or a slot's file may be all that is left: who ended them died on the last steps. Under reap.lock. Slots'
 * files without an id that nobody holds are removed here, unless dry_run. Names that can't be
 * listed are said.
 */
void reap_left(const struct host_config *host, bool dry_run,
	       bool (*each)(const char *id, void *arg), void *arg, const struct sink *sink);

#endif
