/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_BECOME_H
#define CLI_BECOME_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"
#include "cli/handover.h"

/* A process of ours becomes the keeper: a child of create or run, or `mayfly start --foreground` itself. */
struct become {
	const struct config *config;
	const struct spec *spec;
	const struct handover *files; /* kernel and image, as they were checked */
	bool foreground; /* somebody waits for it: its end is theirs to see, SIGTERM their wish */
	bool unit;	 /* it is in a systemd unit with Delegate=yes */
};

/*
 * Its stdin and stdout become /dev/null, then execve: returns only with -1 and err. What the process holds without
 * O_CLOEXEC, NOTIFY_SOCKET and stderr go on to the keeper.
 */
int become_keeper(const struct become *become, struct err *err);

/*
 * `start --foreground NAME`: become the keeper of the sandbox of that name that is at rest, or of a new one that `create`
 * has put into the spool for a unit of this name. Returns only with -1 and err.
 */
int become_named(const struct config *config, const char *name, struct err *err);

#endif
