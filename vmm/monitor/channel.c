/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/str.h"

#define CHANNEL_MAX_FDS 4

void channel_send(enum launch_msg_type type, const void *body, size_t len)
{
	struct launch_msg head = { .type = type };
	struct launch_text copy;
	struct iovec iov[2] = { { &head, sizeof(head) }, { &copy, len } };

	BUG_ON(len > sizeof(copy));
	if (len != 0)
		memcpy(&copy, body, len); /* iovec has no const */
	(void)!writev(LAUNCH_FD_CHANNEL, iov, len == 0 ? 1 : 2);
}

void channel_ready(uint32_t jail_flags)
{
	struct launch_msg head = { .type = LAUNCH_MSG_READY, .arg = jail_flags };
	const struct iovec iov = { &head, sizeof(head) };

	(void)!writev(LAUNCH_FD_CHANNEL, &iov, 1);
}

/* The first descriptor of the message; the others are closed. Descriptors come in one control message, the only kind
 * that this socket gets. */
static int channel_take_fd(struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fds[CHANNEL_MAX_FDS];
	size_t n;

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	BUG_ON(n == 0 || n > CHANNEL_MAX_FDS);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	for (size_t i = 1; i < n; i++)
		(void)close(fds[i]);
	return fds[0];
}

ssize_t channel_receive(struct launch_msg *head, void *body, size_t size, int *fd, int flags)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(CHANNEL_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov[2] = { { head, sizeof(*head) }, { body, size } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(LAUNCH_FD_CHANNEL, &msg, flags | MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n < 0)
		return -1;
	*fd = channel_take_fd(&msg);
	if (n == 0) {
		errno = ENOTCONN;
		return -1;
	}
	if ((size_t)n < sizeof(*head) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (*fd >= 0)
			(void)close(*fd);
		*fd = -1;
		errno = EBADMSG;
		return -1;
	}
	return n - (ssize_t)sizeof(*head);
}

noreturn void channel_fail(const struct err *err)
{
	struct launch_text text = { { 0 } };

	(void)str_copy(text.text, sizeof(text.text), err->text);
	channel_send(LAUNCH_MSG_FAILED, &text, sizeof(text));
	_exit(CHANNEL_EXIT_FAILED);
}

noreturn void channel_end(enum launch_end_reason reason, uint32_t detail)
{
	const struct launch_end end = { .reason = reason, .detail = detail };

	channel_send(LAUNCH_MSG_END, &end, sizeof(end));
	_exit(CHANNEL_EXIT_END);
}
