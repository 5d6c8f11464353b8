/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_REST_H
#define STORE_REST_H

#include "base/err.h"
#include "store/store.h"

/*
 * A durable sandbox at rest: nothing of it runs, its files stay until its date. Who changes them holds its lock, so that
 * no keeper and no reaper is at it meanwhile.
 */

/* Claim its lock (waiting up to some seconds for one that is only looking) and look: *entry, with at_rest STORE_STOPPED,
 * or with in_grace also STORE_GRACE. The fd of the lock, or -1 with err: ERR_NOT_FOUND, or what to do about the state it is in. The struct is large. */
int rest_take(const struct host_config *host, const char *id, bool in_grace,
	      struct store_entry *entry, struct err *err);

/* Can it be started or changed? Needs its lock. 0, or -1 with err (ERR_FAILED), which says why not. */
int rest_check(const struct store_entry *entry, struct err *err);

/* A new date for one that was taken; written down with who and why before it holds. Refuses a date that has come, and to
 * bring one back out of its grace without a why (ERR_USAGE). */
int rest_renew(const struct host_config *host, struct store_entry *entry, int64_t deadline_s,
	       const char *who, const char *reason, struct err *err);

#endif
