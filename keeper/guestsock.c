/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/guestsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

/* A peer that is silent for so long is asked; one that does not answer is gone two minutes later. */
#define GUESTSOCK_IDLE_S   120
#define GUESTSOCK_ASK_S	   30
#define GUESTSOCK_ASK_MANY 4

static int guestsock_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

void guestsock_tune(int fd, int type)
{
	/* FORCE: the host's rmem_max is for those without CAP_NET_ADMIN */
	if (guestsock_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, GUESTSOCK_BUFFER) < 0)
		(void)guestsock_set(fd, SOL_SOCKET, SO_RCVBUF, GUESTSOCK_BUFFER);
	if (guestsock_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, GUESTSOCK_BUFFER) < 0)
		(void)guestsock_set(fd, SOL_SOCKET, SO_SNDBUF, GUESTSOCK_BUFFER);
	if (type != SOCK_STREAM)
		return;
	(void)guestsock_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	(void)guestsock_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	(void)guestsock_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, GUESTSOCK_IDLE_S);
	(void)guestsock_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, GUESTSOCK_ASK_S);
	(void)guestsock_set(fd, IPPROTO_TCP, TCP_KEEPCNT, GUESTSOCK_ASK_MANY);
	(void)guestsock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

int guestsock_other(const struct guestsock_to *to, int family)
{
	if (family == AF_INET6)
		return AF_INET;
	return to->has_ipv6 ? AF_INET6 : AF_INET;
}

/* The only address the tap has is fe80::1: it is the guest's gateway, so the guest knows the way back. */
static int guestsock_connect6(int fd, const struct guestsock_to *to, uint16_t port)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_scope_id = to->ifindex };
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	from.sin6_addr.s6_addr[0] = 0xfe;
	from.sin6_addr.s6_addr[1] = 0x80;
	from.sin6_addr.s6_addr[15] = 1;
	if (to->ifindex && bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		return -1;
	memcpy(&sa.sin6_addr, to->ipv6, sizeof(sa.sin6_addr));
	return connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
}

static int guestsock_connect4(int fd, const struct guestsock_to *to, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };

	sa.sin_addr.s_addr = htonl(to->ipv4);
	return connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
}

int guestsock_open(const struct guestsock_to *to, int family, int type, uint16_t port)
{
	auto_fd fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -1;
	guestsock_tune(fd, type);
	if ((to->mark && guestsock_set(fd, SOL_SOCKET, SO_MARK, (int)to->mark) < 0) ||
	    (to->ifindex && guestsock_set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)to->ifindex) < 0))
		return -1;
	r = family == AF_INET6 ? guestsock_connect6(fd, to, port)
			       : guestsock_connect4(fd, to, port);
	return r < 0 && errno != EINPROGRESS ? -1 : fd_take(&fd);
}
