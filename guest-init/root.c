/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "guest-init/files.h"

struct mount_point {
	const char *source, *target, *type, *options;
	unsigned long flags;
	mode_t mode; /* of the mount point when it has to be made */
};

static const struct mount_point early_mounts[] = {
	{ "devtmpfs", "/dev", "devtmpfs", "mode=0755", MS_NOSUID, 0755 },
	{ "proc", "/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "sysfs", "/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
	{ "tmpfs", "/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV, 0755 },
};

static const struct mount_point late_mounts[] = {
	{ "devpts", "/dev/pts", "devpts", "mode=0620,gid=5,ptmxmode=0666", MS_NOSUID | MS_NOEXEC,
	  0755 },
	{ "tmpfs", "/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV, 01777 },
	{ "cgroup2", "/sys/fs/cgroup", "cgroup2", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0555 },
};

static int mount_all(const struct mount_point *points, size_t n)
{
	int result = 0;

	for (size_t i = 0; i < n; i++) {
		const struct mount_point *p = &points[i];

		(void)mkdir(p->target, p->mode);
		if (mount(p->source, p->target, p->type, p->flags, p->options) < 0 &&
		    errno != EBUSY)
			result = -1;
	}
	return result;
}

int root_mount_early(void)
{
	return mount_all(early_mounts, ARRAY_SIZE(early_mounts));
}

static int mount_upper(bool has_disk)
{
	/* what is deleted goes back to the host by itself: nobody here runs fstrim, and nobody can on an overlay */
	if (has_disk)
		return mount("/dev/vdb", "/upper", "ext4", MS_NOATIME, "discard");
	return mount("tmpfs", "/upper", "tmpfs", 0, "mode=0755");
}

/* The mounts below the initramfs move with us; the initramfs itself stays, empty but for /init. */
static int move_in(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(early_mounts); i++) {
		char target[64] = "/newroot";
		size_t n = sizeof("/newroot") - 1;

		for (const char *p = early_mounts[i].target; *p != '\0'; p++)
			target[n++] = *p;
		(void)mkdir(target, early_mounts[i].mode);
		if (mount(early_mounts[i].target, target, NULL, MS_MOVE, NULL) < 0)
			return -1;
	}
	if (chdir("/newroot") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -1;
	return chdir("/");
}

int root_switch(bool has_disk, const char **why)
{
	(void)mkdir("/image", 0755);
	(void)mkdir("/upper", 0755);
	(void)mkdir("/newroot", 0755);
	*why = "the image (/dev/vda) can't be mounted";
	if (mount("/dev/vda", "/image", "erofs", MS_RDONLY | MS_NOATIME, NULL) < 0)
		return -1;
	*why = has_disk ? "the disk (/dev/vdb) can't be mounted"
			: "no tmpfs for the machine's changes";
	if (mount_upper(has_disk) < 0)
		return -1;
	*why = "the disk can't be written";
	if (files_mkdir("/upper/upper", 0755) < 0 || files_mkdir("/upper/work", 0755) < 0)
		return -1;
	*why = "the overlay can't be mounted";
	if (mount("overlay", "/newroot", "overlay", MS_NOATIME,
		  "lowerdir=/image,upperdir=/upper/upper,workdir=/upper/work") < 0)
		return -1;
	*why = "the root can't be changed";
	if (move_in() < 0)
		return -1;
	(void)mount_all(late_mounts, ARRAY_SIZE(late_mounts));
	(void)files_mkdir("/tmp", 01777);
	return 0;
}
