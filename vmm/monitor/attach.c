/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/attach.h"

#include <errno.h>
#include <unistd.h>

void attach_init(struct attach *attach)
{
	*attach = (struct attach){ .fd = -1 };
}

void attach_take(struct attach *attach, int fd)
{
	if (attach->fd >= 0)
		(void)close(attach->fd);
	*attach = (struct attach){ .fd = fd };
}

void attach_output(struct attach *attach, const struct iovec *iov, int n)
{
	if (attach->fd >= 0 && writev(attach->fd, iov, n) < 0 && errno != EAGAIN)
		attach_take(attach, -1);
}

bool attach_wants_input(const struct attach *attach)
{
	return attach->fd >= 0 && attach->typed_at == attach->typed_len;
}

void attach_readable(struct attach *attach)
{
	const struct iovec iov = { attach->typed, sizeof(attach->typed) };
	ssize_t n;

	if (!attach_wants_input(attach)) /* gone since the poll */
		return;
	n = readv(attach->fd, &iov, 1);
	if (n > 0) {
		attach->typed_at = 0;
		attach->typed_len = (uint32_t)n;
	} else if (n == 0 || errno != EAGAIN) {
		attach_take(attach, -1);
	}
}

void attach_deliver(struct attach *attach, struct console *console)
{
	if (attach->typed_at < attach->typed_len)
		attach->typed_at +=
			(uint32_t)console_input(console, attach->typed + attach->typed_at,
						attach->typed_len - attach->typed_at);
}
