/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_RANGES_H
#define KEEPER_HOST_RANGES_H

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * The sandboxes' uid range as others see it: a line "mayfly-sandboxes:BASE:COUNT" in /etc/subuid and /etc/subgid
 * (subuid(5)), so that useradd and container tools hand these ids to nobody else.
 */

/* Make that line the only one of its owner. 0, or -1 with err; nothing is written when it stands there already. */
int host_ranges_reserve(const struct host_config *host, struct err *err);

/* Take it out again; absence is success. */
int host_ranges_release(struct err *err);

#endif
