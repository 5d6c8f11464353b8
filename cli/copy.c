/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"

/* One direction: a buffer that is read into when empty, and written out when not. */
struct way {
	int from, to; /* from: -1 after its end */
	size_t at, len;
	uint8_t buf[32768];
};

static bool is_transient(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False at the end of `from`. */
static bool fill(struct way *way)
{
	ssize_t n = read(way->from, way->buf, sizeof(way->buf));

	if (is_transient(n))
		return true;
	if (n <= 0) {
		way->from = -1;
		return false;
	}
	way->len = (size_t)n;
	return true;
}

static int drain(struct way *way)
{
	ssize_t n = write(way->to, way->buf + way->at, way->len - way->at);

	if (is_transient(n))
		return 0;
	if (n < 0)
		return -1;
	way->at += (size_t)n;
	if (way->at == way->len)
		way->at = way->len = 0;
	return 0;
}

int copy_both_ways(int in, int out, int stream, struct err *err)
{
	static struct way up, down;
	int flags = fcntl(stream, F_GETFL);

	up = (struct way){ .from = in, .to = stream };
	down = (struct way){ .from = stream, .to = out };
	/*
	 * only the stream is ours to make non-blocking: in and out may be shared with the caller's
	 * shell
	 */
	if (flags < 0 || fcntl(stream, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(err, "the stream to the guest");
	while (down.from >= 0 || down.len > 0) {
		struct pollfd fds[] = {
			{ .fd = up.len == 0 ? up.from : -1, .events = POLLIN },
			{ .fd = up.len > 0 ? stream : -1, .events = POLLOUT },
			{ .fd = down.len == 0 ? down.from : -1, .events = POLLIN },
			{ .fd = down.len > 0 ? out : -1, .events = POLLOUT },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (fds[0].revents != 0 && !fill(&up))
			(void)shutdown(stream, SHUT_WR);
		if (fds[1].revents != 0 && drain(&up) < 0) {
			up.len = up.at =
				0; /* the guest reads no more; what it still says is taken */
			up.from = -1;
		}
		if (fds[2].revents != 0)
			(void)fill(&down);
		if (fds[3].revents != 0 && drain(&down) < 0)
			return err_sys(err, "can't write to stdout");
	}
	return 0;
}
