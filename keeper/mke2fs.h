/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_MKE2FS_H
#define KEEPER_MKE2FS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A mke2fs that runs beside us; all zero: none does. It dies with us. */
struct mke2fs {
	pid_t pid;
	int said; /* memfd with its complaints */
};

/*
 * Begin to make the empty file at path, open as fd, `bytes` long and an ext4 file system in it. What does that runs in the
 * sandbox's cgroup (cgroup_fd; -1: there is none): whoever first makes a file dirty is whom the kernel books its writes to
 * from then on (fs/fs-writeback.c, inode_attach_wb), and io.max has to hold from the guest's first one. 0, or -1 with err.
 */
int mke2fs_start(struct mke2fs *job, const char *path, int fd, uint64_t bytes, int cgroup_fd,
		 struct err *err);

/* Wait for what was started with that path and length. 0, or -1 with its complaint in err. */
int mke2fs_wait(struct mke2fs *job, const char *path, uint64_t bytes, struct err *err);

/* End it if it still runs: nobody wants its file any more. */
void mke2fs_stop(struct mke2fs *job);

#endif
