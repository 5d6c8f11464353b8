/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_COMMAND_H
#define GUEST_INIT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto/guest.h"

/* What a GUEST_EXEC_START frame asks for. The texts lie in the frame's bytes. */
#define COMMAND_MAX_WORDS 1024

struct command {
	const char *user, *cwd;		   /* "": root, and that user's home */
	char *args[COMMAND_MAX_WORDS + 1]; /* at least one, then NULL */
	char *envs[COMMAND_MAX_WORDS + 1];
	uint32_t flags; /* enum guest_exec_flags; others than those are ignored */
	struct guest_winsize winsize;
};

/* Take the frame's payload apart. False when it makes no sense; command is undefined then. */
bool command_parse(char *bytes, size_t len, struct command *command);

#endif
