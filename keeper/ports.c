/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/ports.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "keeper/portdiag.h"
#include "keeper/porttcp.h"
#include "keeper/portudp.h"
#include "keeper/portwatch.h"
#include "keeper/relay.h"

#define PORTS_EVENTS  32 /* a turn; each moves RELAY_CHUNK or PORTUDP_BURST datagrams at most */
#define PORTS_BACKLOG 128
#define PORTS_TICK_S  5

static_assert(PORTS_FDS >= SPEC_MAX_PORTS + 2 + 2 * PORTTCP_MAX + PORTUDP_MAX, "room for all");

struct ports_listener {
	int fd; /* -1: none */
	int family, type;
	uint16_t guest_port;
	uint32_t watched;
};

struct ports {
	int epoll_fd, timer_fd;
	uint32_t timer_watched;
	bool ticking;
	struct guestsock_to guest;
	struct ports_listener listeners[SPEC_MAX_PORTS];
	struct porttcp tcp;
	struct portudp udp;
	uint8_t scratch[RELAY_CHUNK];
};

unsigned ports_count(const struct spec_port ports[SPEC_MAX_PORTS])
{
	unsigned n = 0;

	while (n < SPEC_MAX_PORTS && ports[n].protocol)
		n++;
	return n;
}

/* ---- listening ---- */

static int ports_bind(int fd, const struct spec_port *port, int family)
{
	union portudp_address to = { .in = { .sin_family = AF_INET } };

	if (family == AF_INET) {
		to.in.sin_port = htons(port->host_port);
		memcpy(&to.in.sin_addr, port->address + 12, sizeof(to.in.sin_addr));
		return bind(fd, &to.sa, sizeof(to.in));
	}
	to.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					.sin6_port = htons(port->host_port) };
	memcpy(&to.in6.sin6_addr, port->address, sizeof(to.in6.sin6_addr));
	return bind(fd, &to.sa, sizeof(to.in6));
}

static int ports_listen(struct ports_listener *l, const struct spec_port *port)
{
	const int on = 1;

	guestsock_tune(l->fd, l->type);
	if (l->family == AF_INET6 &&
	    setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -1;
	/* connections of a sandbox that had the port before us may still fade away (TIME_WAIT). Not for UDP: there it
	 * would let two have the same port. */
	if (l->type == SOCK_STREAM &&
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	if (ports_bind(l->fd, port, l->family) < 0)
		return -1;
	return l->type == SOCK_STREAM ? listen(l->fd, PORTS_BACKLOG)
				      : portudp_prepare(l->fd, l->family);
}

static int ports_cant(const struct spec_port *port, const struct host_config *host, struct err *err)
{
	char text[PORTDIAG_TEXT_SIZE], who[PORTDIAG_WHO_SIZE];
	int why = errno;

	portdiag_text(port, text);
	if (why == EADDRINUSE) {
		portdiag_holder(port, host, who);
		return err_set(err, ERR_FAILED, "%s is taken%s%s: publish another port of the host",
			       text, who[0] ? " by " : "", who);
	}
	if (why == EADDRNOTAVAIL)
		return err_set(err, ERR_FAILED, "%s: that is no address of this host", text);
	errno = why;
	return err_sys(err, "can't listen on %s", text);
}

static int ports_add(struct ports *p, unsigned i, const struct spec_port *port,
		     const struct host_config *host, struct err *err)
{
	struct ports_listener *l = &p->listeners[i];

	l->family = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)port->address)
			    ? AF_INET
			    : AF_INET6;
	l->type = port->protocol == SPEC_UDP ? SOCK_DGRAM : SOCK_STREAM;
	l->guest_port = port->guest_port;
	l->fd = socket(l->family, l->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_sys(err, "can't make a socket");
	if (ports_listen(l, port) < 0)
		return ports_cant(port, host, err);
	if (portwatch_set(p->epoll_fd, l->fd, PORTWATCH_LISTENER, i, &l->watched, EPOLLIN) < 0)
		return err_sys(err, "can't watch a socket");
	return 0;
}

static int ports_make(struct ports *p, const struct spec_port ports[SPEC_MAX_PORTS],
		      const struct host_config *host, struct err *err)
{
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	p->timer_watched = PORTWATCH_NOT;
	for (unsigned i = 0; i < SPEC_MAX_PORTS; i++)
		p->listeners[i] = (struct ports_listener){ .fd = -1, .watched = PORTWATCH_NOT };
	porttcp_init(&p->tcp, p->epoll_fd, &p->guest);
	portudp_init(&p->udp, p->epoll_fd, &p->guest);
	if (p->epoll_fd < 0 || p->timer_fd < 0 ||
	    portwatch_set(p->epoll_fd, p->timer_fd, PORTWATCH_TIMER, 0, &p->timer_watched,
			  EPOLLIN) < 0)
		return err_sys(err, "can't make epoll and timer descriptors");
	for (unsigned i = 0; i < ports_count(ports); i++)
		if (ports_add(p, i, &ports[i], host, err) < 0)
			return -1;
	return 0;
}

int ports_open(struct ports **out, const struct spec_port ports[SPEC_MAX_PORTS],
	       const struct guestsock_to *guest, const struct host_config *host, struct err *err)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (!p)
		return err_sys(err, "no memory for published ports");
	p->guest = *guest;
	if (ports_make(p, ports, host, err) < 0) {
		ports_close(&p);
		return -1;
	}
	*out = p;
	return 0;
}

const char *ports_sockets(const struct ports *p, char buf[PORTS_SOCKETS_SIZE])
{
	size_t len = 0;
	struct stat st;

	buf[0] = '\0';
	for (unsigned i = 0; i < SPEC_MAX_PORTS; i++)
		if (p->listeners[i].fd >= 0 && fstat(p->listeners[i].fd, &st) == 0)
			len += (size_t)snprintf(buf + len, PORTS_SOCKETS_SIZE - len, "%s%u",
						len ? "," : "", (unsigned)st.st_ino);
	return buf;
}

/* ---- working ---- */

int ports_fd(const struct ports *p)
{
	return p ? p->epoll_fd : -1;
}

/* The timer runs only while there is something that can grow old. */
static void ports_tick_while_needed(struct ports *p)
{
	bool resting = false, needed;
	struct itimerspec each = { .it_interval.tv_sec = PORTS_TICK_S,
				   .it_value.tv_sec = PORTS_TICK_S };

	for (unsigned i = 0; i < SPEC_MAX_PORTS; i++)
		resting |= p->listeners[i].fd >= 0 && p->listeners[i].watched == 0;
	needed = p->tcp.count > 0 || p->udp.count > 0 || resting;
	if (needed == p->ticking)
		return;
	if (!needed)
		each = (struct itimerspec){ 0 };
	if (timerfd_settime(p->timer_fd, 0, &each, NULL) == 0)
		p->ticking = needed;
}

static void ports_tick(struct ports *p)
{
	uint64_t times;

	if (read(p->timer_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return;
	porttcp_tick(&p->tcp);
	portudp_tick(&p->udp);
	for (unsigned i = 0; i < SPEC_MAX_PORTS; i++)
		if (p->listeners[i].fd >= 0)
			(void)portwatch_set(p->epoll_fd, p->listeners[i].fd, PORTWATCH_LISTENER, i,
					    &p->listeners[i].watched, EPOLLIN);
}

static void ports_arrive(struct ports *p, uint32_t index)
{
	struct ports_listener *l = &p->listeners[index % SPEC_MAX_PORTS];

	if (l->fd < 0)
		return;
	if (l->type == SOCK_DGRAM)
		portudp_receive(&p->udp, l->fd, l->family, l->guest_port, p->scratch);
	else if (!porttcp_accept(&p->tcp, l->fd, l->family, l->guest_port))
		(void)portwatch_set(p->epoll_fd, l->fd, PORTWATCH_LISTENER, index, &l->watched,
				    0); /* until the next tick: asked at once it would fail again */
}

void ports_turn(struct ports *p)
{
	struct epoll_event events[PORTS_EVENTS];
	int n = epoll_wait(p->epoll_fd, events, PORTS_EVENTS, 0);

	for (int i = 0; i < n; i++) {
		uint32_t index = portwatch_index(&events[i]);
		enum portwatch_kind kind = portwatch_kind(&events[i]);

		if (kind == PORTWATCH_TIMER)
			ports_tick(p);
		else if (kind == PORTWATCH_UDP)
			portudp_event(&p->udp, index, p->scratch);
		else if (kind != PORTWATCH_LISTENER)
			porttcp_event(&p->tcp, index,
				      kind == PORTWATCH_CLIENT ? RELAY_CLIENT : RELAY_GUEST,
				      events[i].events, p->scratch);
	}
	/* what is new comes last: a place that was freed above has no event of its own left in this turn */
	for (int i = 0; i < n; i++)
		if (portwatch_kind(&events[i]) == PORTWATCH_LISTENER)
			ports_arrive(p, portwatch_index(&events[i]));
	ports_tick_while_needed(p);
}

/* ---- ending ---- */

void ports_hush(struct ports *p)
{
	if (!p)
		return;
	portudp_close(&p->udp); /* answers would go out by the listener */
	for (unsigned i = 0; i < SPEC_MAX_PORTS; i++)
		fd_close(&p->listeners[i].fd);
}

void ports_close(struct ports **p)
{
	if (!*p)
		return;
	ports_hush(*p);
	porttcp_close(&(*p)->tcp);
	fd_close(&(*p)->epoll_fd);
	fd_close(&(*p)->timer_fd);
	free(*p);
	*p = NULL;
}
