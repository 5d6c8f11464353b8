/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/netfilter.h"

#include <sys/types.h>
#include <unistd.h>

static struct nl_sock *netfilter_kept;
static pid_t netfilter_pid; /* whose it is: a fork's looks need a socket of its own */

struct nl_sock *netfilter_open(struct err *err)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (netfilter_pid != getpid())
		netfilter_done(-1);
	netfilter_pid = getpid();
	if (cb && !netfilter_kept)
		netfilter_kept = netlink_open(NETLINK_NETFILTER, err);
	if (cb && netfilter_kept) {
		nl_socket_disable_auto_ack(netfilter_kept); /* nobody would read it */
		nl_socket_set_cb(netfilter_kept, cb);
	}
	nl_cb_put(cb);
	if (!cb)
		(void)err_set(err, ERR_FAILED, "no memory for a netlink socket");
	return cb ? netfilter_kept : NULL;
}

void netfilter_done(int code)
{
	if (code >= 0)
		return;
	nl_socket_free(netfilter_kept);
	netfilter_kept = NULL;
}
