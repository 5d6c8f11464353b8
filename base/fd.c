/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK_TRIES 100
#define FRESH_SIZE 256

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EPIPE;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* What a replaced file is made under. */
static int fresh_name(char fresh[FRESH_SIZE], const char *name, struct err *err)
{
	return snprintf(fresh, FRESH_SIZE, "%s.new", name) >= FRESH_SIZE
		       ? err_set(err, ERR_FAILED, "%s: name too long", name)
		       : 0;
}

/* fd: just opened, or -1 with errno. */
static int fill_new(int fd, const char *name, mode_t mode, const void *data, size_t len,
		    struct err *err)
{
	if (fd < 0)
		return err_sys(err, "%s: can't create", name);
	if (fchmod(fd, mode) < 0)
		return err_sys(err, "%s: can't set its mode", name);
	if (fd_write_all(fd, data, len) < 0 || fsync(fd) < 0)
		return err_sys(err, "%s: can't write", name);
	return 0;
}

static int write_new(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
		     struct err *err)
{
	auto_fd fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

	return fill_new(fd, name, mode, data, len, err);
}

int fd_replace_file(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
		    struct err *err)
{
	char fresh[FRESH_SIZE];
	auto_fd dir = -1;

	if (fresh_name(fresh, name, err) < 0)
		return -1;
	if (write_new(dirfd, fresh, mode, data, len, err) < 0)
		goto fail;
	if (renameat(dirfd, fresh, dirfd, name) < 0) {
		(void)err_sys(err, "%s: can't rename", fresh);
		goto fail;
	}
	dir = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return err_sys(err, "%s: can't make the rename durable", name);
	return 0;
fail:
	(void)unlinkat(dirfd, fresh, 0);
	return -1;
}

/* Give it the name: who finds it taken takes it over. */
static int link_new(int fd, int dirfd, const char *fresh, struct err *err)
{
	char self[32];
	int tries = 0;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	while (linkat(AT_FDCWD, self, dirfd, fresh, AT_SYMLINK_FOLLOW) < 0) {
		if (errno != EEXIST || ++tries > LINK_TRIES)
			return err_sys(err, "%s: can't name it", fresh);
		(void)unlinkat(dirfd, fresh, 0);
	}
	return 0;
}

int fd_replace_shared(int dirfd, const char *name, mode_t mode, const void *data, size_t len,
		      struct err *err)
{
	auto_fd fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	char fresh[FRESH_SIZE];

	/* a file system that knows no nameless files */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		return fd_replace_file(dirfd, name, mode, data, len, err);
	if (fill_new(fd, name, mode, data, len, err) < 0 || fresh_name(fresh, name, err) < 0 ||
	    link_new(fd, dirfd, fresh, err) < 0)
		return -1;
	if (renameat(dirfd, fresh, dirfd, name) < 0 && errno != ENOENT) {
		(void)err_sys(err, "%s: can't rename", fresh);
		(void)unlinkat(dirfd, fresh, 0);
		return -1;
	}
	return fsync(dirfd) < 0 ? err_sys(err, "%s: can't make the rename durable", name) : 0;
}

ssize_t fd_read_file(int dirfd, const char *name, void *buf, size_t max, struct err *err)
{
	auto_fd fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	size_t got = 0;

	if (fd < 0)
		return err_sys(err, "%s", name);
	for (;;) {
		char extra;
		ssize_t n =
			got < max ? read(fd, (char *)buf + got, max - got) : read(fd, &extra, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "%s", name);
		if (n == 0)
			return (ssize_t)got;
		if (got == max) {
			errno = EFBIG;
			return err_sys(err, "%s", name);
		}
		got += (size_t)n;
	}
}

bool fd_is_unread(const struct err *err)
{
	return err->os_errno != 0 && err->os_errno != ENOENT && err->os_errno != EFBIG &&
	       err->os_errno != EISDIR;
}
