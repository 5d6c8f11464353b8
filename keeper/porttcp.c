/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/porttcp.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/fd.h"

void porttcp_init(struct porttcp *t, int epoll_fd, const struct guestsock_to *guest)
{
	t->epoll_fd = epoll_fd;
	t->guest = guest;
	t->count = 0;
	for (unsigned i = 0; i < PORTTCP_MAX; i++)
		t->conns[i] = (struct porttcp_conn){ .relay.fd = { -1, -1 } };
}

static void porttcp_free(struct porttcp *t, struct porttcp_conn *c, bool broken)
{
	if (broken)
		relay_abort(&c->relay);
	else
		relay_close(&c->relay);
	c->state = PORTTCP_FREE;
	t->count--;
}

/*
 * EPOLLERR and EPOLLHUP are told whether wanted or not. An end that hung up while nothing is wanted of it (the other does
 * not take what it said) would be told again and again: it leaves the set until something is wanted.
 */
static bool porttcp_watch(struct porttcp *t, struct porttcp_conn *c, enum relay_end end)
{
	uint32_t index = (uint32_t)(c - t->conns), wanted = relay_events(&c->relay, end);

	if (wanted == 0 && c->watched[end] == PORTWATCH_NOT)
		return true;
	return portwatch_set(t->epoll_fd, c->relay.fd[end],
			     end == RELAY_CLIENT ? PORTWATCH_CLIENT : PORTWATCH_GUEST, index,
			     &c->watched[end], wanted) == 0;
}

/* Begin a connection to the guest; the client is only watched for its death meanwhile. */
static bool porttcp_begin(struct porttcp *t, struct porttcp_conn *c)
{
	uint32_t index = (uint32_t)(c - t->conns);
	int *fd = &c->relay.fd[RELAY_GUEST];

	*fd = guestsock_open(t->guest, c->family, SOCK_STREAM, c->guest_port);
	c->watched[RELAY_GUEST] = PORTWATCH_NOT;
	return *fd >= 0 && portwatch_set(t->epoll_fd, *fd, PORTWATCH_GUEST, index,
					 &c->watched[RELAY_GUEST], EPOLLOUT) == 0;
}

/* By the guest's other family, where the first was refused and there is another. */
static bool porttcp_again(struct porttcp *t, struct porttcp_conn *c)
{
	int other = guestsock_other(t->guest, c->family);

	if (c->retried || other == c->family)
		return false;
	c->retried = true;
	c->family = other;
	fd_close(&c->relay.fd[RELAY_GUEST]);
	return porttcp_begin(t, c);
}

static struct porttcp_conn *porttcp_place(struct porttcp *t)
{
	for (unsigned i = 0; i < PORTTCP_MAX; i++)
		if (t->conns[i].state == PORTTCP_FREE)
			return &t->conns[i];
	return NULL;
}

bool porttcp_accept(struct porttcp *t, int listen_fd, int family, uint16_t guest_port)
{
	auto_fd fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct porttcp_conn *c = porttcp_place(t);

	if (fd < 0)
		return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
	if (!c) {
		relay_reset(&fd);
		return true;
	}
	if (family == AF_INET6 && !t->guest->has_ipv6)
		family = AF_INET;
	*c = (struct porttcp_conn){
		.relay.fd = { fd_take(&fd), -1 },
		.watched = { PORTWATCH_NOT, PORTWATCH_NOT },
		.state = PORTTCP_CONNECTING,
		.guest_port = guest_port,
		.family = family,
	};
	t->count++;
	if (portwatch_set(t->epoll_fd, c->relay.fd[RELAY_CLIENT], PORTWATCH_CLIENT,
			  (uint32_t)(c - t->conns), &c->watched[RELAY_CLIENT], 0) < 0 ||
	    (!porttcp_begin(t, c) && !porttcp_again(t, c)))
		porttcp_free(t, c, true);
	return true;
}

static int porttcp_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

/* The guest's answer to the attempt, or the client's death. */
static void porttcp_connecting(struct porttcp *t, struct porttcp_conn *c, enum relay_end end)
{
	if (end == RELAY_CLIENT) {
		porttcp_free(t, c, true);
		return;
	}
	if (porttcp_error(c->relay.fd[RELAY_GUEST]) != 0) {
		if (!porttcp_again(t, c))
			porttcp_free(t, c, true);
		return;
	}
	c->state = PORTTCP_OPEN;
	if (!porttcp_watch(t, c, RELAY_CLIENT) || !porttcp_watch(t, c, RELAY_GUEST))
		porttcp_free(t, c, true);
}

static bool porttcp_pass(struct porttcp *t, struct porttcp_conn *c, enum relay_end end,
			 uint32_t events, void *scratch)
{
	struct relay *r = &c->relay;

	if (relay_events(r, end) == 0) {
		if (events & EPOLLERR)
			return false;
		return portwatch_set(t->epoll_fd, r->fd[end], PORTWATCH_CLIENT, 0, &c->watched[end],
				     PORTWATCH_NOT) == 0;
	}
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && r->blocked[!end] &&
	    !relay_move(r, !end, scratch))
		return false;
	if (events & ~(uint32_t)EPOLLOUT && !r->blocked[end] && !relay_move(r, end, scratch))
		return false;
	return porttcp_watch(t, c, RELAY_CLIENT) && porttcp_watch(t, c, RELAY_GUEST);
}

void porttcp_event(struct porttcp *t, uint32_t index, enum relay_end end, uint32_t events,
		   void *scratch)
{
	struct porttcp_conn *c = &t->conns[index % PORTTCP_MAX];

	if (c->state == PORTTCP_CONNECTING)
		porttcp_connecting(t, c, end);
	else if (c->state == PORTTCP_OPEN && !porttcp_pass(t, c, end, events, scratch))
		porttcp_free(t, c, true);
	else if (c->state == PORTTCP_OPEN && relay_over(&c->relay))
		porttcp_free(t, c, false);
}

/* Ends that left the set are looked at here: a reset is still a reset. */
static bool porttcp_is_dead(const struct porttcp_conn *c)
{
	for (int end = 0; end < RELAY_ENDS; end++) {
		struct pollfd fd = { .fd = c->relay.fd[end] };

		if (c->watched[end] == PORTWATCH_NOT && poll(&fd, 1, 0) > 0 && fd.revents & POLLERR)
			return true;
	}
	return false;
}

void porttcp_tick(struct porttcp *t)
{
	for (unsigned i = 0; i < PORTTCP_MAX; i++) {
		struct porttcp_conn *c = &t->conns[i];

		if ((c->state == PORTTCP_CONNECTING && ++c->ticks > PORTTCP_CONNECT_TICKS) ||
		    (c->state == PORTTCP_OPEN && porttcp_is_dead(c)))
			porttcp_free(t, c, true);
	}
}

void porttcp_close(struct porttcp *t)
{
	for (unsigned i = 0; i < PORTTCP_MAX; i++)
		if (t->conns[i].state != PORTTCP_FREE)
			porttcp_free(t, &t->conns[i], true);
}
