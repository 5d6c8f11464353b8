/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* File descriptors: -1 is none, 0 is valid, always O_CLOEXEC. */

/* Close *fd unless it is -1, and make it -1; errno is kept. */
void fd_close(int *fd);

/* Take the descriptor out of *fd: the caller owns it, *fd becomes -1. */
int fd_take(int *fd);

#define auto_fd __attribute__((cleanup(fd_close))) int

/* Write or read all of len bytes, through EINTR and short counts. 0, or -1 with errno (EPIPE at an early end of file). */
int fd_write_all(int fd, const void *buf, size_t len);
int fd_read_all(int fd, void *buf, size_t len);

/*
 * Replace the file `name` below directory dirfd by data, so that after a crash it holds the old or the new content:
 * write NAME.new, fsync, rename, fsync of the directory. 0, or -1 with err.
 */
int fd_replace_file(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
		    struct err *err);

/*
 * The same where several may write at once, without a lock: NAME.new gets its name only once it is whole. Who finds that another has
 * moved his, or taken its place, is done: that one's is as new, and there in a moment. On a file system without nameless files
 * (O_TMPFILE) it is fd_replace_file.
 */
int fd_replace_shared(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
		      struct err *err);

/* Read a whole small file of at most max bytes below dirfd (AT_FDCWD too) into buf; the count, or -1 with err
 * (os_errno is set; EFBIG when it is larger). buf is not terminated. */
ssize_t fd_read_file(int dirfd, const char *name, void *buf, size_t max, struct err *err);

/* Of a read that failed: is what is there unknown? Not when it is absent, or not what it should be. */
bool fd_is_unread(const struct err *err);

#endif
