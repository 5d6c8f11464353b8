/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_AGENT_H
#define CLI_AGENT_H

#include "base/err.h"

/* A command in the guest, through the exec service of mayfly-init (base/proto/guest.h, way 3). */

struct agent_command {
	const char *user;	 /* "": root */
	const char *cwd;	 /* "": that user's home */
	char *const *args;	 /* NULL-terminated, at least one */
	const char *const *envs; /* "NAME=VALUE", NULL-terminated */
};

struct agent_streams {
	int in, out, err;
	int stop; /* when readable, the command is given up: AGENT_STOPPED; -1: none */
};

#define AGENT_STOPPED 1000

/*
 * Run command over the stream (owned by the caller; made non-blocking), relaying in, out and err.
 * Returns its exit code (0 to 255) or AGENT_STOPPED; -1 with err when it doesn't fit, or the guest
 * talks nonsense or hangs up. The guest is not trusted: frames are bounded, unknown ones end it.
 */
int agent_exec(int stream, const struct agent_command *command, const struct agent_streams *streams,
	       struct err *err);

#endif
