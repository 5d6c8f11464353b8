/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/event.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
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

uint64_t event_clear(int fd)
{
	uint64_t count = 0;
	const struct iovec iov = { &count, sizeof(count) };

	(void)!readv(fd, &iov, 1);
	return count;
}

int event_open_clock(int *fd, uint32_t ticks_per_s, struct err *err)
{
	const struct timespec tick = { 0, 1000000000 / (long)ticks_per_s };
	const struct itimerspec period = { tick, tick };

	*fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (*fd < 0 || timerfd_settime(*fd, 0, &period, NULL) < 0)
		return err_sys(err, "clock of the rate limits");
	return 0;
}
