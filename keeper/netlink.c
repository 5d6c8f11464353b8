/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/netlink.h"

#include <sys/socket.h>
#include <sys/time.h>

struct nl_sock *netlink_open(int protocol, struct err *err)
{
	static const struct timeval wait = { .tv_sec = NETLINK_WAIT_S };
	struct nl_sock *sock = nl_socket_alloc();
	int r = sock ? nl_connect(sock, protocol) : -NLE_NOMEM;

	if (r == 0 &&
	    setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0)
		return sock;
	nl_socket_free(sock);
	if (r == 0)
		(void)err_sys(err, "can't bound a netlink socket's waits");
	else
		(void)err_set(err, ERR_FAILED, "can't open a netlink socket: %s", nl_geterror(r));
	return NULL;
}
