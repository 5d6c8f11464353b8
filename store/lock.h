/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * Locks are OFD locks on files: they end with their last descriptor, so with their holder. Lock files of sandboxes and
 * slots live in RUN_DIR.
 */
enum lock_wait { LOCK_TRY, LOCK_WAIT };

/* Open (making it, 0600) and lock path. The fd that holds the lock; -1 with err: errno EAGAIN when held elsewhere. */
int lock_take(const char *path, enum lock_wait wait, struct err *err);

/* Is the lock file at path held by somebody? A missing file is not held. 1, 0, or -1 with err when that can't be told. */
int lock_look(const char *path, struct err *err);

/* The same for who can do without that difference: what can't be told is not held. */
bool lock_is_held(const char *path);

/* RUN_DIR/claim.lock: while it is held no other name, slot or directory of a sandbox is taken or goes. The fd, or -1 with err. */
int lock_claims(const struct host_config *host, struct err *err);

/* The sandbox's own lock, RUN_DIR/ID/lock. Making RUN_DIR/ID and taking the lock is one step under RUN_DIR/claim.lock,
 * so that a reaper never sees a directory whose keeper is about to lock it. mkdir as needed. fd, or -1 with err. */
int lock_claim(const struct host_config *host, const char *id, struct err *err);

/* Let go of a lock that was claimed only to look or to change files: it and RUN_DIR/ID go under claim.lock, the
 * directory only when nothing else is in it. *fd becomes -1. */
void lock_unclaim(const struct host_config *host, const char *id, int *fd);

#endif
