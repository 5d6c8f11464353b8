/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/portudp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "keeper/relay.h"

/* Room for the one control message that there is. */
union portudp_control {
	char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

void portudp_init(struct portudp *u, int epoll_fd, const struct guestsock_to *guest)
{
	u->epoll_fd = epoll_fd;
	u->guest = guest;
	u->count = 0;
	for (unsigned i = 0; i < PORTUDP_MAX; i++)
		u->clients[i] = (struct portudp_client){ .fd = -1 };
}

int portudp_prepare(int listen_fd, int family)
{
	const int on = 1;

	return family == AF_INET6
		       ? setsockopt(listen_fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on))
		       : setsockopt(listen_fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
}

static void portudp_forget(struct portudp *u, struct portudp_client *c)
{
	fd_close(&c->fd);
	*c = (struct portudp_client){ .fd = -1 };
	u->count--;
}

/* ---- clients ---- */

static bool portudp_same(const union portudp_address *a, const union portudp_address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port &&
	       a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
	       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

static bool portudp_dial(struct portudp *u, struct portudp_client *c)
{
	c->fd = guestsock_open(u->guest, c->family, SOCK_DGRAM, c->guest_port);
	c->watched = PORTWATCH_NOT;
	return c->fd >= 0 && portwatch_set(u->epoll_fd, c->fd, PORTWATCH_UDP,
					   (uint32_t)(c - u->clients), &c->watched, EPOLLIN) == 0;
}

/* A free place, or the longest silent client's; NULL: all are busy. */
static struct portudp_client *portudp_place(struct portudp *u)
{
	struct portudp_client *silent = &u->clients[0];

	for (unsigned i = 0; i < PORTUDP_MAX; i++) {
		if (u->clients[i].fd < 0)
			return &u->clients[i];
		if (u->clients[i].idle > silent->idle)
			silent = &u->clients[i];
	}
	if (silent->idle == 0)
		return NULL;
	portudp_forget(u, silent);
	return silent;
}

static struct portudp_client *portudp_find(struct portudp *u, const struct portudp_client *wanted)
{
	struct portudp_client *c;

	for (unsigned i = 0; i < PORTUDP_MAX; i++) {
		c = &u->clients[i];
		if (c->fd >= 0 && c->listen_fd == wanted->listen_fd &&
		    portudp_same(&c->from, &wanted->from))
			return c;
	}
	c = portudp_place(u);
	if (!c)
		return NULL;
	*c = *wanted;
	u->count++;
	if (portudp_dial(u, c))
		return c;
	portudp_forget(u, c);
	return NULL;
}

/* ---- towards the guest ---- */

static void portudp_note_target(struct portudp_client *c, struct msghdr *msg)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (!cmsg)
		return;
	if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
		memcpy(&c->to.v4, CMSG_DATA(cmsg), sizeof(c->to.v4));
		c->to.v4.ipi_ifindex = 0; /* routing decides */
	}
	if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
		memcpy(&c->to.v6, CMSG_DATA(cmsg), sizeof(c->to.v6));
		if (!IN6_IS_ADDR_LINKLOCAL(&c->to.v6.ipi6_addr))
			c->to.v6.ipi6_ifindex = 0;
	}
}

static bool portudp_receive_one(struct portudp *u, const struct portudp_client *listener,
				void *scratch)
{
	struct portudp_client said = *listener, *c;
	union portudp_control control;
	struct iovec iov = { .iov_base = scratch, .iov_len = RELAY_CHUNK };
	struct msghdr msg = {
		.msg_name = &said.from,
		.msg_namelen = sizeof(said.from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(listener->listen_fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return false;
	portudp_note_target(&said, &msg);
	c = portudp_find(u, &said);
	if (!c)
		return true;
	c->to = said.to;
	c->idle = 0;
	(void)send(c->fd, scratch, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return true;
}

void portudp_receive(struct portudp *u, int listen_fd, int family, uint16_t guest_port,
		     void *scratch)
{
	const struct portudp_client listener = {
		.fd = -1,
		.listen_fd = listen_fd,
		.guest_port = guest_port,
		.family = family == AF_INET6 && !u->guest->has_ipv6 ? AF_INET : family,
		.watched = PORTWATCH_NOT,
	};

	for (int i = 0; i < PORTUDP_BURST && portudp_receive_one(u, &listener, scratch); i++)
		;
}

/* ---- and back ---- */

static void portudp_answer(const struct portudp_client *c, void *data, size_t len)
{
	bool six = c->from.sa.sa_family == AF_INET6;
	size_t size = six ? sizeof(c->to.v6) : sizeof(c->to.v4);
	union portudp_address to = c->from;
	union portudp_control control = { .buf = { 0 } };
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = six ? sizeof(to.in6) : sizeof(to.in),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(size),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	cmsg->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
	cmsg->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(cmsg), &c->to, size);
	(void)sendmsg(c->listen_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Nobody listens there by this family: the client's next datagram tries the other. */
static bool portudp_refused(struct portudp *u, struct portudp_client *c)
{
	int other = guestsock_other(u->guest, c->family);

	if (other == c->family)
		return true;
	c->family = other;
	fd_close(&c->fd);
	return portudp_dial(u, c);
}

void portudp_event(struct portudp *u, uint32_t index, void *scratch)
{
	struct portudp_client *c = &u->clients[index % PORTUDP_MAX];

	for (int i = 0; i < PORTUDP_BURST && c->fd >= 0; i++) {
		ssize_t n = recv(c->fd, scratch, RELAY_CHUNK, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			if (errno != ECONNREFUSED || !portudp_refused(u, c))
				portudp_forget(u, c);
			return;
		}
		c->idle = 0;
		portudp_answer(c, scratch, (size_t)n);
	}
}

void portudp_tick(struct portudp *u)
{
	for (unsigned i = 0; i < PORTUDP_MAX; i++)
		if (u->clients[i].fd >= 0 && ++u->clients[i].idle > PORTUDP_IDLE_TICKS)
			portudp_forget(u, &u->clients[i]);
}

void portudp_close(struct portudp *u)
{
	for (unsigned i = 0; i < PORTUDP_MAX; i++)
		if (u->clients[i].fd >= 0)
			portudp_forget(u, &u->clients[i]);
}
