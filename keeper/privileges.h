/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PRIVILEGES_H
#define KEEPER_PRIVILEGES_H

#include "base/err.h"

/*
 * After bring-up: uid 0, CAP_NET_ADMIN alone, no way back (bounding set, no_new_privs). What teardown does with it: files,
 * sockets and cgroups are root's own; the monitor's user namespace was made by uid 0, so uid 0 may kill in it.
 */
int privileges_drop(struct err *err);

/* For a program of somebody else's: uid 0, no capability at all, no way back. 0 or -1. */
int privileges_none(void);

/*
 * Become independent of who started us: own session, stdio on /dev/null. The caller's process exits 0; the child returns.
 * 0, or -1 with err.
 */
int privileges_detach(struct err *err);

#endif
