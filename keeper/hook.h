/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOOK_H
#define KEEPER_HOOK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct keeper;

/*
 * The site's program that is told what happens (docs/decisions/015). Nobody waits for it: between the keeper and the hook
 * stands a watcher, a process of its own session with no descriptor of the keeper, which ends the hook by its pidfd when its
 * time is over, and then whatever the hook has left running: as their subreaper it is the parent of all of them.
 * The hook is uid 0 without any capability; standard input is the message, the other two are /dev/null.
 */
#define HOOK_MAX 4 /* at once, of one keeper */

/* The watcher's exit codes beside the hook's own: 128 + n for signal n, 126 and 127 as a shell says. */
#define HOOK_TIMED_OUT 124

struct hook_call {
	const char *path;
	uint32_t timeout_s;
	const char *event; /* for the log */
	const char *name;  /* the sandbox's */
};

struct hook_slot {
	int pidfd; /* the watcher; -1: free */
	char event[12];
};

struct hooks {
	struct hook_slot slots[HOOK_MAX];
};

void hook_init(struct hooks *hooks);

/* Is the file one that may be run: a regular one, root's, nobody else's to write? 0, or -1 with err. */
int hook_check(const char *path, struct err *err);

/* Start it with len bytes of message. The watcher's pidfd, or -1 with err. When the caller ends before it, a failure of the hook
 * is said to syslog. */
int hook_start(const struct hook_call *call, const char *message, size_t len, struct err *err);

/* The same for a keeper, which then logs and journals how it went. What can't be started is one line there. */
void hook_keep(struct keeper *k, const struct hook_call *call, const char *message, size_t len);

#define HOOK_POLL_FDS HOOK_MAX
void hook_poll(const struct hooks *hooks, struct pollfd fds[HOOK_POLL_FDS]);
void hook_handle(struct keeper *k, const struct pollfd fds[HOOK_POLL_FDS]);

/* The last act of a keeper in a unit, whose end would end them too: wait until they have ended, by themselves or by their limit. */
void hook_finish(struct keeper *k);

#endif
