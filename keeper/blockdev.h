/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_BLOCKDEV_H
#define KEEPER_BLOCKDEV_H

#include <stdint.h>

#include "base/err.h"

/*
 * The disk that the file system of path lies on, as the kernel's I/O throttling knows it: a whole disk, whose partitions
 * share its queue (Documentation/ABI/stable/sysfs-block). 0, or -1 with err: a file system without a block device of its
 * own (tmpfs, overlay, btrfs, a network's), for which nobody can be limited.
 */
int blockdev_of(const char *path, uint32_t *major, uint32_t *minor, struct err *err);

#endif
