/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/paths.h"

static struct flock lock_whole(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

int lock_take(const char *path, enum lock_wait wait, struct err *err)
{
	struct flock whole = lock_whole();
	auto_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, "can't open %s", path);
	while (fcntl(fd, wait == LOCK_WAIT ? F_OFD_SETLKW : F_OFD_SETLK, &whole) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EACCES)
			errno = EAGAIN;
		return err_sys(err, "can't lock %s", path);
	}
	return fd_take(&fd);
}

int lock_look(const char *path, struct err *err)
{
	struct flock whole = lock_whole();
	auto_fd fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &whole) < 0)
		return err_sys(err, "can't look at the lock %s", path);
	return whole.l_type != F_UNLCK;
}

bool lock_is_held(const char *path)
{
	struct err ignored;

	return lock_look(path, &ignored) > 0;
}

int lock_claims(const struct host_config *host, struct err *err)
{
	char path[PATHS_SIZE];

	return lock_take(paths_run_dir(host, "claim.lock", path), LOCK_WAIT, err);
}

int lock_claim(const struct host_config *host, const char *id, struct err *err)
{
	char path[PATHS_SIZE];
	auto_fd claim = lock_claims(host, err);

	if (claim < 0 || paths_make_dir(paths_run(host, id, NULL, path), 0750, err) < 0)
		return -1;
	return lock_take(paths_run(host, id, "lock", path), LOCK_TRY, err);
}

void lock_unclaim(const struct host_config *host, const char *id, int *fd)
{
	char path[PATHS_SIZE];
	struct err ignored;
	auto_fd claim = lock_claims(host, &ignored);

	if (claim >= 0) { /* else the next reap tidies up */
		(void)unlink(paths_run(host, id, "lock", path));
		(void)rmdir(paths_run(host, id, NULL, path));
	}
	fd_close(fd);
}
