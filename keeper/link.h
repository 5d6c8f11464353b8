/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_LINK_H
#define KEEPER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/proto/spec.h"

/*
 * The sandbox's tap, its addresses and routes, through rtnetlink. Every call opens and closes its own socket.
 * Needs CAP_NET_ADMIN; opening a tap also /dev/net/tun.
 */

/* Size of struct virtio_net_hdr_v1, the header in front of each frame on the tap's descriptor. */
#define LINK_VNET_HDR_SIZE 12

/*
 * Make the tap id_tap(id), not persistent: it is gone with the last copy of *fd. ifalias is id_tap_alias(id, name), the
 * ownership mark. Host side of the /31, with ipv6 also fe80::1/64 and the route to the guest's /128; no other
 * link-local, no router advertisements heard. Up on return. *fd is O_NONBLOCK | O_CLOEXEC. ERR_EXISTS when an interface
 * of that name is there. On failure nothing stays.
 */
int link_tap_open(const char *id, const char *name, const struct slot_plan *plan, bool ipv6,
		  int *fd, uint32_t *ifindex, struct err *err);

/*
 * Remove the interface id_tap(id) if its alias says that it is this id's; absence is success. An interface of that name
 * with another alias is not touched: ERR_FAILED, naming it. (A tap whose descriptors are all closed is gone already;
 * this is for one that a stray process still holds.)
 */
int link_tap_remove(const char *id, struct err *err);

/* 1: no interface of that name with this id's alias; 0: there is one; -1: can't tell, err. */
int link_tap_absent(const char *id, struct err *err);

/* Number of interfaces of any id that carry mayfly's mark; -1 with err. */
int link_tap_count(struct err *err);

/*
 * Does a route of the host (other than default routes and those of mayfly's own taps) overlap an address pool?
 * 1: yes, text names the route and its interface; 0: no; -1: can't tell, err.
 */
int link_pool_clash(const struct host_config *host, char *text, size_t size, struct err *err);

#endif
