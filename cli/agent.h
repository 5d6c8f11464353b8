/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_AGENT_H
#define CLI_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/guest.h"

/* A command in the guest, through the exec service of mayfly-init (base/proto/guest.h, way 3). */

struct agent_command {
	const char *user;	 /* "": root */
	const char *cwd;	 /* "": that user's home */
	char *const *args;	 /* NULL-terminated, at least one */
	const char *const *envs; /* "NAME=VALUE", NULL-terminated */
	bool tty;		 /* on a terminal of its own in the guest, of this size */
	struct guest_winsize winsize;
};

struct agent_streams {
	int in, out, err;
	int stop; /* when readable, the command is given up: AGENT_STOPPED; -1: none */
	/*
	 * A signalfd, or -1. SIGWINCH: the guest's terminal gets the size of `terminal`. SIGINT and
	 * SIGTERM: the command gets them, unless pass_signals is false. Any other one, the third one
	 * within AGENT_URGENT_S seconds, and one that the guest has no room for: the command is
	 * given up, 128 + n.
	 */
	int signals, terminal;
	bool pass_signals;
	uint64_t err_max; /* bytes of err that are passed on, the rest is dropped; 0: all */
};

#define AGENT_URGENT_S 3

#define AGENT_STOPPED 1000

/*
 * Run command over the stream (owned by the caller; made non-blocking), relaying in, out and err.
 * Returns its exit code (0 to 255, or 128 + n, see above) or AGENT_STOPPED; -1 with err when it doesn't fit, or the guest
 * talks nonsense or hangs up. The guest is not trusted: frames are bounded, unknown ones end it.
 */
int agent_exec(int stream, const struct agent_command *command, const struct agent_streams *streams,
	       struct err *err);

#endif
