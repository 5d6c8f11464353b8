/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_DIRS_H
#define KEEPER_HOST_DIRS_H

#include "base/err.h"
#include "base/proto/spec.h"

/* What host_down leaves of STATE_DIR and RUN_DIR: nothing, what holds receipts (or somebody's files), what holds sandboxes. */
enum { HOST_DIRS_GONE, HOST_DIRS_RECEIPTS, HOST_DIRS_SANDBOXES };

/* Make what is missing. 0, or -1 with err. */
int host_dirs_up(const struct host_config *host, struct err *err);

/* Remove what is empty or ours. One of the above, or -1 with err, the first failure's: the rest has gone all the same. */
int host_dirs_down(const struct host_config *host, struct err *err);

#endif
