/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PORTTCP_H
#define KEEPER_PORTTCP_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/guestsock.h"
#include "keeper/portwatch.h"
#include "keeper/relay.h"

/*
 * The TCP connections of a sandbox's published ports. A client's connection is taken, one to the guest is begun (by the
 * family the client came by; when that one is refused, by the other), then bytes go both ways. A guest that refuses, or
 * does not answer within PORTTCP_CONNECT_TICKS, resets the client's.
 */
#define PORTTCP_MAX	      256 /* at once; beyond them the newest is reset */
#define PORTTCP_CONNECT_TICKS 2

enum porttcp_state { PORTTCP_FREE, PORTTCP_CONNECTING, PORTTCP_OPEN };

struct porttcp_conn {
	struct relay relay;
	uint32_t watched[RELAY_ENDS]; /* what the epoll set has; PORTWATCH_NOT: it isn't there */
	enum porttcp_state state;
	uint16_t guest_port;
	int family;   /* of the connection to the guest */
	bool retried; /* it is the second attempt */
	uint32_t ticks;
};

struct porttcp {
	int epoll_fd;
	const struct guestsock_to *guest;
	unsigned count; /* not free */
	struct porttcp_conn conns[PORTTCP_MAX];
};

void porttcp_init(struct porttcp *t, int epoll_fd, const struct guestsock_to *guest);

/* Take one connection that waits there. false: this host has no descriptor or memory for it now. */
bool porttcp_accept(struct porttcp *t, int listen_fd, int family, uint16_t guest_port);

/* Something happened at one end of a connection. */
void porttcp_event(struct porttcp *t, uint32_t index, enum relay_end end, uint32_t events,
		   void *scratch);

/* PORTS_TICK_S have passed. */
void porttcp_tick(struct porttcp *t);

void porttcp_close(struct porttcp *t);

#endif
