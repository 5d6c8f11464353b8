/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/relay.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/fd.h"

static bool relay_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* The other end is told by a half-close; it may still answer for as long as it likes. */
static bool relay_end_of(struct relay *r, enum relay_end from)
{
	r->done[from] = true;
	r->blocked[from] = false;
	return shutdown(r->fd[!from], SHUT_WR) == 0;
}

bool relay_move(struct relay *r, enum relay_end from, void *scratch)
{
	ssize_t there, taken;

	if (r->done[from])
		return true;
	there = recv(r->fd[from], scratch, RELAY_CHUNK, MSG_PEEK | MSG_DONTWAIT);
	if (there == 0)
		return relay_end_of(r, from);
	if (there < 0) {
		r->blocked[from] = false;
		return relay_later();
	}
	taken = send(r->fd[!from], scratch, (size_t)there, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (taken < 0 && !relay_later())
		return false;
	r->blocked[from] = taken < there;
	/* for TCP MSG_TRUNC drops them without a copy (tcp(7)) */
	return taken <= 0 ||
	       recv(r->fd[from], scratch, (size_t)taken, MSG_TRUNC | MSG_DONTWAIT) == taken;
}

uint32_t relay_events(const struct relay *r, enum relay_end end)
{
	uint32_t events = 0;

	if (!r->done[end] && !r->blocked[end])
		events |= EPOLLIN;
	if (r->blocked[!end])
		events |= EPOLLOUT;
	return events;
}

bool relay_over(const struct relay *r)
{
	return r->done[RELAY_CLIENT] && r->done[RELAY_GUEST];
}

void relay_close(struct relay *r)
{
	fd_close(&r->fd[RELAY_CLIENT]);
	fd_close(&r->fd[RELAY_GUEST]);
}

void relay_reset(int *fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (*fd >= 0)
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fd_close(fd);
}

void relay_abort(struct relay *r)
{
	relay_reset(&r->fd[RELAY_CLIENT]);
	relay_reset(&r->fd[RELAY_GUEST]);
}
