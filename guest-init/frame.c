/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/frame.h"

#include "base/fd.h"

int frame_send(int fd, uint32_t type, const void *payload, uint32_t len)
{
	struct guest_frame frame = { .type = type, .len = len };

	if (fd_write_all(fd, &frame, sizeof(frame)) < 0)
		return -1;
	return len == 0 ? 0 : fd_write_all(fd, payload, len);
}

int frame_receive(int fd, struct guest_frame *frame, void *buf, uint32_t max)
{
	if (fd_read_all(fd, frame, sizeof(*frame)) < 0 || frame->len > max)
		return -1;
	return frame->len == 0 ? 0 : fd_read_all(fd, buf, frame->len);
}
