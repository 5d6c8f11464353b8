/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_START_H
#define CLI_START_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"
#include "cli/handover.h"

/*
 * Starting a keeper and waiting until its sandbox is ready.
 *
 * The spec goes to the spool, a progress socket listens, then the keeper starts: as a systemd unit
 * of its own where systemd runs, else as a process that detaches itself; for `run` as our child. It
 * tells its steps, then READY or an error; a keeper that dies before that is noticed. When the
 * start fails, or is broken off by a signal, the keeper undoes what it made; the spool file goes
 * too.
 */
struct start {
	const struct config *config;
	const char *config_path; /* --config, for a unit to be told; or NULL */
	struct spec *spec;
	const struct handover *files; /* kernel and image, for a keeper that is our child */
	bool again;	    /* it is stopped: its spec stays where it is, and nothing is undone */
	uint32_t timeout_s; /* until it is ready; 0: the usual */
	bool foreground;    /* the keeper stays our child: child is its pid, to be waited for */
	pid_t child;
};

/*
 * 0 when the sandbox runs, else -1 with err and nothing left; its text is empty when a keeper in
 * the foreground has said it on our stderr. SIGINT, SIGTERM and SIGHUP are blocked on return.
 */
int start_sandbox(struct start *start, struct err *err);

/* Block SIGINT, SIGTERM and SIGHUP and return a descriptor that tells of them (signalfd(2)); -1 with err. */
int start_signals(struct err *err);

#endif
