/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/control.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/err.h"
#include "base/fd.h"
#include "guest-init/frame.h"
#include "guest-init/say.h"

int control_open(void)
{
	const struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = GUEST_PORT_CONTROL,
	};
	/* nothing can be done without it, and a busy host may take its time */
	const struct timeval until_ready = { .tv_sec = 50 }, patience = { .tv_sec = 10 };
	const struct linger until_taken = { .l_onoff = 1, .l_linger = 2 };
	auto_fd fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &until_ready,
		       sizeof(until_ready)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &until_taken, sizeof(until_taken)) < 0 ||
	    connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0) {
		say("no control stream to the host: %s", err_errno_text(errno));
		return -1;
	}
	return fd_take(&fd);
}

int control_ready(int fd)
{
	const struct guest_ready ready = { .version = GUEST_VERSION };

	return frame_send(fd, GUEST_READY, &ready, sizeof(ready));
}

void control_end(int fd, enum guest_end_reason reason, const char *text)
{
	struct guest_end end = { .reason = reason };

	(void)snprintf(end.text, sizeof(end.text), "%s", text);
	(void)frame_send(fd, GUEST_END, &end, sizeof(end));
	/* SO_LINGER: close waits until the host's side has answered, so the reset can't overtake the reason */
	(void)close(fd);
}

bool control_receive(int fd, struct control_request *request)
{
	static const struct {
		uint32_t type, len;
	} known[] = {
		{ GUEST_SHUTDOWN, sizeof(struct guest_shutdown) },
		{ GUEST_CLOCK, sizeof(struct guest_clock) },
		{ GUEST_DEADLINE, sizeof(struct guest_deadline) },
		{ GUEST_NOTICE, sizeof(struct guest_notice) },
	};
	struct guest_frame frame;

	if (frame_receive(fd, &frame, &request->shutdown,
			  sizeof(*request) - offsetof(struct control_request, shutdown)) < 0)
		return false;
	request->type = frame.type;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (frame.type == known[i].type)
			return frame.len == known[i].len;
	}
	return false;
}
