/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/guestfile.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define EROFS_SUPER_OFFSET 1024 /* Documentation/filesystems/erofs.rst: on-disk details */

/*
 * The first bytes of a file tell whether it can be what it is given for; the monitor looks closer.
 */
static const struct file_kind {
	const char *what;
	off_t offset;
	uint8_t magic[20];
	uint8_t mask[20];
	size_t len;
} kinds[] = {
	[GUESTFILE_KERNEL] = {
		.what = "not an uncompressed x86-64 ELF kernel (vmlinux, not bzImage)",
		.magic = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, [18] = EM_X86_64 },
		.mask = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [18] = 0xff, 0xff },
		.len = 20,
	},
	[GUESTFILE_IMAGE] = {
		.what = "not an erofs image",
		.offset = EROFS_SUPER_OFFSET,
		.magic = { EROFS_SUPER_MAGIC_V1 & 0xff, EROFS_SUPER_MAGIC_V1 >> 8 & 0xff,
			   EROFS_SUPER_MAGIC_V1 >> 16 & 0xff, EROFS_SUPER_MAGIC_V1 >> 24 },
		.mask = { 0xff, 0xff, 0xff, 0xff },
		.len = 4,
	},
	/* "070701", newc: what the kernel unpacks without help */
	[GUESTFILE_INITRD] = {
		.what = "not an uncompressed cpio archive",
		.magic = "070701",
		.mask = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.len = 6,
	},
};

static bool has_magic(int fd, const struct file_kind *kind)
{
	uint8_t bytes[sizeof(kind->magic)];

	if (pread(fd, bytes, kind->len, kind->offset) != (ssize_t)kind->len)
		return false;
	for (size_t i = 0; i < kind->len; i++) {
		if (((bytes[i] ^ kind->magic[i]) & kind->mask[i]) != 0)
			return false;
	}
	return true;
}

int guestfile_open(enum guestfile_kind kind, const char *what, const char *path,
		   char real[SPEC_PATH_SIZE], struct err *err)
{
	char found[PATH_MAX];
	struct stat st;
	auto_fd fd = -1;

	if (realpath(path, found) == NULL ||
	    (fd = open(found, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
		(void)err_sys(err, "%s %s", what, path);
		err->code = ERR_USAGE;
		return -1;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "%s %s: not a regular file", what, path);
	if (!has_magic(fd, &kinds[kind]))
		return err_set(err, ERR_USAGE, "%s %s: %s", what, path, kinds[kind].what);
	if (!str_copy(real, SPEC_PATH_SIZE, found))
		return err_set(err, ERR_USAGE, "%s %s: path too long: at most %d bytes", what, path,
			       SPEC_PATH_SIZE - 1);
	return fd_take(&fd);
}
