/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "cli/points.h"
#include "store/paths.h"

#define CONNECT_TIMEOUT_MS 10000

bool client_peer_is_trusted(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static int not_running(const char *name, const struct host_config *host, struct err *err)
{
	int saved = errno;

	(void)err_sys(err, "%s: can't reach its keeper", name);
	if (saved == ENOENT || saved == ECONNREFUSED)
		(void)err_set(err, ERR_FAILED, "%s is not running; `mayfly ls` shows what is",
			      name);
	else if (saved == EACCES || saved == EPERM)
		(void)err_set(err, ERR_FAILED, "%s: only root and the group %s may reach it", name,
			      host->group);
	err->os_errno = saved;
	return -1;
}

/* The directory's own descriptor stands for its path, which may be longer than a socket address. */
int client_open(const struct host_config *host, const char *id, const char *name, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[PATHS_SIZE];
	auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	auto_fd dir = open(paths_run(host, id, NULL, path), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "socket");
	if (dir < 0)
		return not_running(name, host, err);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/ctl.sock", dir);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return not_running(name, host, err);
	if (!client_peer_is_trusted(fd))
		return err_set(err, ERR_FAILED, "%s: its control socket belongs to somebody else",
			       name);
	return fd_take(&fd);
}

static int take_fd(struct msghdr *message)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);
	int fd;

	if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

int client_receive(int fd, struct ctl_record *record, int *passed)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { record, sizeof(*record) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	auto_fd got = -1;
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	got = take_fd(&message);
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(*record)) {
		errno = EPROTO;
		return -1;
	}
	record->id[sizeof(record->id) - 1] = '\0';
	record->name[sizeof(record->name) - 1] = '\0';
	record->text[sizeof(record->text) - 1] = '\0';
	if (passed != NULL)
		*passed = fd_take(&got);
	return 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &ts) < 0);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait for something to read until the moment end_ms (-1: for ever). */
static int wait_readable(int fd, int64_t end_ms, struct err *err)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left = end_ms < 0 ? -1 : end_ms - now_ms();
		int n;

		if (end_ms >= 0 && left <= 0)
			return err_set(err, ERR_TIMEOUT, "the keeper does not answer");
		n = poll(&pollfd, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(err, "poll");
	}
}

int client_send(int fd, struct ctl_request *request, struct err *err)
{
	request->version = CTL_VERSION;
	if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		return err_sys(err, "can't ask the keeper");
	points_meet(POINTS_ASKED);
	return 0;
}

/* The next record, within time. 0, or -1 with err. */
static int next_record(int fd, int64_t end_ms, struct ctl_record *record, int *got, struct err *err)
{
	int rc;

	fd_close(got);
	if (wait_readable(fd, end_ms, err) < 0)
		return -1;
	rc = client_receive(fd, record, got);
	if (rc < 0)
		return err_sys(err, "the keeper's answer");
	return rc > 0 ? 0 : err_set(err, ERR_FAILED, "the keeper went away");
}

int client_answer(int fd, int timeout_ms, struct ctl_record *answer, int *passed, struct err *err)
{
	int64_t end_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	struct ctl_record record;
	auto_fd got = -1;

	if (passed != NULL)
		*passed = -1;
	*answer = (struct ctl_record){ .type = 0 };
	do {
		if (next_record(fd, end_ms, &record, &got, err) < 0)
			return -1;
		if (record.type == CTL_ENDED)
			*answer = record;
	} while (record.type != CTL_OK && record.type != CTL_ERROR);
	points_meet(POINTS_ANSWERED);
	if (record.type == CTL_ERROR)
		return err_set(err, record.code != 0 ? (int)record.code : ERR_FAILED, "%s",
			       record.text);
	if (answer->type != CTL_ENDED)
		*answer = record;
	if (passed != NULL)
		*passed = fd_take(&got);
	return 0;
}

/* The same request as a keeper of version 1 takes it. */
static int send_v1(int fd, const struct ctl_request *request, struct err *err)
{
	struct ctl_request_v1 old = {
		.version = 1,
		.type = request->type,
		.deadline_s = request->deadline_s,
		.port = request->port,
		.force = request->force,
	};

	if (request->type == CTL_CONNECT && request->port == GUEST_PORT_EXEC)
		return err_set(err, ERR_FAILED,
			       "its guest is from before an upgrade of mayfly; use mayfly ssh");
	if (request->type > CTL_WAIT)
		return err_set(err, ERR_FAILED,
			       "its keeper is from before an upgrade of mayfly and can't do that");
	(void)str_copy(old.who, sizeof(old.who), request->who);
	(void)str_copy(old.reason, sizeof(old.reason), request->reason);
	if (send(fd, &old, sizeof(old), MSG_NOSIGNAL) < 0)
		return err_sys(err, "can't ask the keeper");
	return 0;
}

int client_answer_to(int fd, const struct ctl_request *request, int timeout_ms,
		     struct ctl_record *answer, int *passed, struct err *err)
{
	if (client_answer(fd, timeout_ms, answer, passed, err) == 0)
		return 0;
	if (err->code != ERR_USAGE || strcmp(err->text, CTL_OTHER_VERSION) != 0)
		return -1;
	err->code = ERR_NONE;
	if (send_v1(fd, request, err) < 0)
		return -1;
	return client_answer(fd, timeout_ms, answer, passed, err);
}

int client_ask(int fd, struct ctl_request *request, int timeout_ms, struct ctl_record *answer,
	       int *passed, struct err *err)
{
	if (client_send(fd, request, err) < 0)
		return -1;
	return client_answer_to(fd, request, timeout_ms, answer, passed, err);
}

int client_connect(const struct host_config *host, const char *id, const char *name, uint32_t port,
		   struct err *err)
{
	struct ctl_request request = { .type = CTL_CONNECT, .port = port };
	auto_fd fd = client_open(host, id, name, err);
	struct ctl_record answer;
	int stream;

	if (fd < 0)
		return -1;
	if (client_ask(fd, &request, CONNECT_TIMEOUT_MS, &answer, &stream, err) < 0)
		return err_wrap(err, "%s", name);
	if (stream < 0)
		return err_set(err, ERR_FAILED, "%s: the keeper gave no stream", name);
	return stream;
}
