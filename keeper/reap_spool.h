/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_SPOOL_H
#define KEEPER_REAP_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * What starts left that have no sandbox: sockets of a CLI that was killed while it waited (store/rendezvous.h) and its spec, at
 * once; other specs in the spool a minute after they were made; links of names that lead nowhere. One CTL_ITEM each. Best effort.
 */
void reap_spool(const struct host_config *host, bool dry_run, int64_t now_s,
		const struct sink *sink);

#endif
