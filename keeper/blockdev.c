/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/blockdev.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

/* The folder of device major:minor below /sys/devices. */
static bool blockdev_folder(uint32_t major, uint32_t minor, char folder[PATH_MAX])
{
	char link[64];

	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major, minor);
	return realpath(link, folder) != NULL;
}

/* A partition's folder lies in its disk's. */
static bool blockdev_is_partition(const char *folder)
{
	char path[PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/partition", folder);
	return access(path, F_OK) == 0;
}

static bool blockdev_read(const char *folder, uint32_t *major, uint32_t *minor)
{
	char path[PATH_MAX + 16], text[32];
	struct err ignored;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/dev", folder);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &ignored);
	text[n < 0 ? 0 : n] = '\0';
	return sscanf(text, "%u:%u", major, minor) == 2;
}

int blockdev_of(const char *path, uint32_t *major, uint32_t *minor, struct err *err)
{
	char folder[PATH_MAX], *slash;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "can't look at %s", path);
	*major = gnu_dev_major(st.st_dev);
	*minor = gnu_dev_minor(st.st_dev);
	if (!blockdev_folder(*major, *minor, folder))
		return err_set(err, ERR_FAILED,
			       "%s lies on no block device of its own (tmpfs, overlay, btrfs or a "
			       "network): its I/O can't be limited",
			       path);
	if (!blockdev_is_partition(folder))
		return 0;
	slash = strrchr(folder, '/');
	*slash = '\0';
	return blockdev_read(folder, major, minor)
		       ? 0
		       : err_set(err, ERR_FAILED, "%s: its disk is not to be found in /sys", path);
}
