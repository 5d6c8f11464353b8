/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"

int control_open(struct control *control, int *peer, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_sys(err, "can't make the control stream");
	control->fd = pair[0];
	control->have = 0;
	*peer = pair[1];
	return 0;
}

void control_close(struct control *control)
{
	fd_close(&control->fd);
	control->have = 0;
}

/* Hand over the whole frames in buf, keep the rest. False: the guest talks nonsense. */
static bool control_frames(struct control *control, control_frame_fn *fn, void *arg)
{
	size_t at = 0;

	while (control->have - at >= sizeof(struct guest_frame)) {
		struct guest_frame head;

		memcpy(&head, control->buf + at, sizeof(head));
		if (head.len > GUEST_FRAME_MAX)
			return false;
		if (control->have - at - sizeof(head) < head.len)
			break;
		if (!fn(arg, head.type, control->buf + at + sizeof(head), head.len))
			return false;
		at += sizeof(head) + head.len;
	}
	memmove(control->buf, control->buf + at, control->have - at);
	control->have -= at;
	return true;
}

void control_read(struct control *control, control_frame_fn *fn, void *arg)
{
	ssize_t n;

	if (control->fd < 0)
		return;
	n = read(control->fd, control->buf + control->have, sizeof(control->buf) - control->have);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		control->have += (size_t)n;
	if (n <= 0 || !control_frames(control, fn, arg))
		control_close(control);
}

bool control_send(struct control *control, uint32_t type, const void *payload, uint32_t len)
{
	unsigned char frame[sizeof(struct guest_frame) + 64];
	struct guest_frame head = { .type = type, .len = len };

	BUG_ON(len > 64);
	if (control->fd < 0)
		return false;
	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), payload, len);
	if (send(control->fd, frame, sizeof(head) + len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	    (ssize_t)(sizeof(head) + len))
		return true;
	control_close(control);
	return false;
}
