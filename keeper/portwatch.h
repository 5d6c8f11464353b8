/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PORTWATCH_H
#define KEEPER_PORTWATCH_H

#include <stdint.h>
#include <sys/epoll.h>

/* What an entry of the published ports' epoll set is about, and which of them. */
enum portwatch_kind {
	PORTWATCH_TIMER,
	PORTWATCH_LISTENER,
	PORTWATCH_CLIENT, /* a TCP connection's two ends */
	PORTWATCH_GUEST,
	PORTWATCH_UDP, /* a UDP client's socket to the guest */
};

#define PORTWATCH_NOT UINT32_MAX

/* Bring the set from *now (PORTWATCH_NOT: not in it) to wanted, by as few calls as possible. 0, or -1 with errno. */
static inline int portwatch_set(int epoll_fd, int fd, enum portwatch_kind kind, uint32_t index,
				uint32_t *now, uint32_t wanted)
{
	struct epoll_event event = {
		.events = wanted,
		.data.u64 = (uint64_t)kind << 32 | index,
	};
	int op = EPOLL_CTL_MOD;

	if (*now == wanted)
		return 0;
	if (*now == PORTWATCH_NOT)
		op = EPOLL_CTL_ADD;
	else if (wanted == PORTWATCH_NOT)
		op = EPOLL_CTL_DEL;
	*now = wanted;
	return epoll_ctl(epoll_fd, op, fd, &event);
}

static inline enum portwatch_kind portwatch_kind(const struct epoll_event *event)
{
	return (enum portwatch_kind)(event->data.u64 >> 32);
}

static inline uint32_t portwatch_index(const struct epoll_event *event)
{
	return (uint32_t)event->data.u64;
}

#endif
