/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/rendezvous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/lock.h"
#include "store/paths.h"

/*
 * The directory's own descriptor stands for its path, which may be longer than a socket address. The fd, to be kept open while
 * the address is used, or -1 with errno.
 */
static int rendezvous_address(const struct host_config *host, const char *id,
			      struct sockaddr_un *sa)
{
	char path[PATHS_SIZE];
	int dir = open(paths_run_dir(host, "progress", path), O_PATH | O_DIRECTORY | O_CLOEXEC);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%.*s", dir, ID_LEN,
		       id);
	return dir;
}

/* 1: somebody's socket is bound there; 0: a dead one's is; -1: there is none, or it can't be told. */
static int rendezvous_look(const struct sockaddr_un *sa)
{
	auto_fd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return -1;
	if (errno == EPROTOTYPE)
		return 1;
	return errno == ECONNREFUSED ? 0 : -1;
}

int rendezvous_listen(const struct host_config *host, const char *id, struct err *err)
{
	char path[PATHS_SIZE];
	struct sockaddr_un sa;
	auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	auto_fd claim = -1, dir = -1;

	if (paths_make(host, err) < 0)
		return -1;
	claim = lock_claims(host, err);
	if (claim < 0)
		return -1;
	dir = rendezvous_address(host, id, &sa);
	if (dir >= 0 && rendezvous_look(&sa) == 1)
		return err_set(err, ERR_FAILED, "somebody else is starting it");
	if (dir >= 0)
		(void)unlinkat(dir, id, 0);
	if (dir < 0 || fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 4) < 0)
		return err_sys(err, "can't listen for the keeper in %s",
			       paths_run_dir(host, "progress", path));
	return fd_take(&fd);
}

void rendezvous_leave(const struct host_config *host, const char *id)
{
	struct sockaddr_un sa;
	auto_fd dir = rendezvous_address(host, id, &sa);

	/* no lock: while its listener lives, nobody else touches the name */
	if (dir >= 0)
		(void)unlinkat(dir, id, 0);
}

int rendezvous_connect(const struct host_config *host, const char *id)
{
	struct sockaddr_un sa;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	auto_fd dir = rendezvous_address(host, id, &sa);

	if (fd < 0 || dir < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != 0)
		return -1;
	return fd_take(&fd);
}

bool rendezvous_is_dead(const struct host_config *host, const char *id)
{
	struct sockaddr_un sa;
	auto_fd dir = rendezvous_address(host, id, &sa);

	return dir >= 0 && rendezvous_look(&sa) == 0;
}
