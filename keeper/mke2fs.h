/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_MKE2FS_H
#define KEEPER_MKE2FS_H

#include <stdint.h>

#include "base/err.h"

/*
 * Make the empty file at path, open as fd, `bytes` long and an ext4 file system in it. What does that dies with us, and runs
 * in the sandbox's cgroup (cgroup_fd; -1: there is none): whoever first makes a file dirty is whom the kernel books its
 * writes to from then on (fs/fs-writeback.c, inode_attach_wb), and io.max has to hold from the guest's first one.
 * 0, or -1 with its complaint in err.
 */
int mke2fs_run(const char *path, int fd, uint64_t bytes, int cgroup_fd, struct err *err);

#endif
