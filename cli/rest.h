/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_REST_H
#define CLI_REST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"
#include "cli/handover.h"

/* What the CLI does with a durable sandbox that is stopped (store/rest.h). `name` is for messages. */

/*
 * Before it starts: its spec, with what the configuration says today about host, initrd and resolvers; on disk where that
 * has changed. *files gets kernel and image, checked against it; accept_changed: whatever they are now. 0, or -1 with err: ERR_NOT_FOUND, or why it can't be started.
 */
int rest_prepare(const struct config *config, const char *name, const char *id, struct spec *spec,
		 struct handover *files, bool accept_changed, struct err *err);

/*
 * Change the spec of a durable sandbox, running (it holds from the next start on) or stopped: change edits the spec it
 * gets; what it leaves is checked and replaces the file at once. *running tells which; NULL: one that runs is refused.
 * 0, or -1 with err.
 */
typedef int rest_change_fn(struct spec *spec, void *arg, struct err *err);
int rest_change(const struct host_config *host, const char *name, const char *id,
		rest_change_fn *change, void *arg, bool *running, struct err *err);

#endif
