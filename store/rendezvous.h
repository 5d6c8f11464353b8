/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_RENDEZVOUS_H
#define STORE_RENDEZVOUS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * Where a keeper finds the CLI that waits for it (base/proto/ctl.h, way 1): the socket RUN_DIR/progress/ID, in a directory
 * that only root can enter, so nobody else can take the name or see it. An id is no secret: a name that all can bind, as an
 * abstract one, would let any user of the host keep a sandbox from starting.
 *
 * A file outlives a maker that was killed. That it is dead can be told without disturbing a living one: connecting with
 * another type of socket gives EPROTOTYPE while one is bound there, ECONNREFUSED when none is (unix(7)). Names are taken and
 * removed under claim.lock.
 */

/* Listen for the keeper of id; one that a killed maker left is replaced. The fd, or -1 with err: somebody else is at it. */
int rendezvous_listen(const struct host_config *host, const char *id, struct err *err);

/* Its listener, still open, goes: take the name away. */
void rendezvous_leave(const struct host_config *host, const char *id);

/* The keeper's end, a SOCK_SEQPACKET socket; -1 when nobody waits, or one that isn't root. */
int rendezvous_connect(const struct host_config *host, const char *id);

/* Is a socket there whose maker is dead? Needs claim.lock, if something is to be concluded from it. */
bool rendezvous_is_dead(const struct host_config *host, const char *id);

#endif
