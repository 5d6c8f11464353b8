/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A tree of files as a pax stream (POSIX.1-2001 pax, with GNU's sparse format 1.0), by libarchive: modes, times, links,
 * holes. Both work below the current directory, in a process of their own: they may change its umask.
 */
struct tree {
	int fd; /* the stream: a pipe */
	/*
	 * What the top of the tree is called on this side, below the current directory, and in the stream. "." is the
	 * directory itself.
	 */
	const char *here, *there;
	bool archive;	/* owners and set-uid bits too */
	uint64_t limit; /* bytes of files that are taken at most; 0: all */
	/* told now and then, and at the end; or NULL */
	void (*moved)(void *arg, const char *path, uint64_t bytes);
	void *arg;
	/* one line about what was left out; not NULL */
	void (*left_out)(void *arg, const char *path, const char *why);
	uint64_t n_left_out;
};

/* Write the tree `here` to the stream as `there`. 0; -1 with err: os_errno EPIPE when nobody reads any more. */
int tree_send(struct tree *tree, struct err *err);

/*
 * Make `here` from a stream in which it is called `there`. Who writes the stream may be hostile: whatever is called
 * otherwise, leads out of `here`, or goes through a link, ends it; devices, pipes and sockets are left out, so are
 * set-uid bits and owners unless asked for. What was there under a name is replaced, but at the top no directory by a
 * file, nor a file by a directory. 0; -1 with err (os_errno EPIPE: the stream was empty), and what has been made until then stays.
 */
int tree_take(struct tree *tree, struct err *err);

#endif
