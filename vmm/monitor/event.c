/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/event.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

int event_open(int *fd, struct err *err)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? err_sys(err, "eventfd") : 0;
}

/* Can't fail but for a counter near 2^64. */
void event_raise(int fd)
{
	uint64_t one = 1;
	const struct iovec iov = { &one, sizeof(one) };

	(void)!writev(fd, &iov, 1);
}

void event_clear(int fd)
{
	uint64_t count;
	const struct iovec iov = { &count, sizeof(count) };

	(void)!readv(fd, &iov, 1);
}
