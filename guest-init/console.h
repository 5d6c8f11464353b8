/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_CONSOLE_H
#define GUEST_INIT_CONSOLE_H

#include <sys/types.h>

/*
 * A root shell on the machine's console, for whoever attaches to it from the host. No shell runs until somebody presses
 * Enter; when it ends, the next one waits for that again.
 */
#define CONSOLE_DEVICE "/dev/hvc0"

struct console {
	int fd; /* readable: somebody has pressed Enter; -1: a shell runs, or there's no console */
	pid_t shell; /* 0: none */
};

/* Open the console and say how to get a shell. */
void console_open(struct console *console);

/* fd has become readable: start a shell. */
void console_serve(struct console *console);

/* A child of PID 1 has been reaped. */
void console_child_gone(struct console *console, pid_t pid);

#endif
