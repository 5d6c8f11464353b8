/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_REAP_KILL_H
#define KEEPER_REAP_KILL_H

#include "base/err.h"
#include "store/store.h"

#define REAP_KILL_MS 5000

/* Kill the keeper that a status names, by pid and start time, and wait until it has gone. 0: it has, or there was none; -1 with err:
 * it hasn't, or that can't be told. */
int reap_kill(const struct status_record *status, struct err *err);

#endif
