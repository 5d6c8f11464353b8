/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_PREPARED_H
#define STORE_PREPARED_H

#include "base/err.h"
#include "base/proto/spec.h"

/* Has `host up` run in this boot? It writes the boot's id in front of its notes in STATE_DIR/host-state. 0, or -1 with
 * err: the sentence for users, with its mend behind ERR_MEND. */
int prepared_check(const struct host_config *host, struct err *err);

#endif
