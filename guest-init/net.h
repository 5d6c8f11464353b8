/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_NET_H
#define GUEST_INIT_NET_H

#include "base/proto/guest.h"

/* Bring up lo and eth0 with the record's addresses and default routes, and write /etc/resolv.conf. What fails is said
 * on the console; a machine without network is still reachable by vsock. */
void net_up(const struct guest_config *record);

#endif
