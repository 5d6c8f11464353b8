/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_NETLINK_H
#define KEEPER_NETLINK_H

#include <netlink/netlink.h>

#include "base/err.h"

/*
 * A socket of libnl's to `protocol` (NETLINK_ROUTE, …), close-on-exec; to be freed with nl_socket_free(). NULL with err.
 * The kernel answers at once or never will: a receive that waits NETLINK_WAIT_S ends with -NLE_AGAIN. libnl 3.7 goes on to
 * receive the answer of a dump that it could not ask for, and a keeper must not wait for ever on its way down.
 */
#define NETLINK_WAIT_S 5
struct nl_sock *netlink_open(int protocol, struct err *err);

#endif
