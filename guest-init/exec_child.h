/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_EXEC_CHILD_H
#define GUEST_INIT_EXEC_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/proto/guest.h"
#include "guest-init/command.h"

/* The command's process, and our ends of what it reads and writes. */
struct exec_child {
	pid_t pid;
	int pidfd;
	/* non-blocking; -1: none. On a terminal `in` and `out` are two descriptors of its master */
	int in, out, err;
	bool tty;
};

/* Start the command in a session of its own; what can't be done for it is said on its stderr. 0, or -1: no process. */
int exec_child_start(const struct command *command, struct exec_child *child);

void exec_child_resize(const struct exec_child *child, const struct guest_winsize *size);

#endif
