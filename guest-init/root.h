/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_ROOT_H
#define GUEST_INIT_ROOT_H

#include <stdbool.h>

/*
 * The file systems, in two steps: what is needed before anything can be read, then the root of the machine: an overlay
 * of the read-only image (/dev/vda) and a writable disk (/dev/vdb) or tmpfs. Afterwards "/" is that overlay.
 * 0, or -1 with *why naming what failed.
 */
int root_mount_early(void);
int root_switch(bool has_disk, const char **why);

#endif
