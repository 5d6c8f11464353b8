/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/guest.h"

/* The user's terminal while keys go to a guest as they are. */

/* The size of the terminal fd. False: it is none, or doesn't know its size. */
bool terminal_size(int fd, struct guest_winsize *size);

/*
 * Bytes as they are typed, none of them a signal. Remembers how the terminal was; one at a time. What
 * ends the process by exit(3) puts it back by itself. 0, or -1 with err.
 */
int terminal_raw(int fd, struct err *err);

/* As it was before terminal_raw; colours, cursor and paste mode too, which a guest may have changed. Does nothing when
 * nothing is to be done. */
void terminal_restore(void);

/* A signalfd for SIGWINCH, SIGINT, SIGTERM, SIGHUP and SIGQUIT, which are blocked from now on. -1 with err. */
int terminal_signals(struct err *err);

#endif
