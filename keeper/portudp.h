/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PORTUDP_H
#define KEEPER_PORTUDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "keeper/guestsock.h"
#include "keeper/portwatch.h"

/*
 * The UDP clients of a sandbox's published ports: each has a socket of its own towards the guest, by which answers find
 * back. Who is silent for PORTUDP_IDLE_TICKS is forgotten; when all places are taken the longest silent one makes room,
 * unless all have spoken within the last tick: then the newcomer's datagram is dropped, as a full queue would.
 */
#define PORTUDP_MAX	   128
#define PORTUDP_IDLE_TICKS 12
#define PORTUDP_BURST	   16 /* datagrams a turn and socket */

union portudp_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct portudp_client {
	int fd; /* connected to the guest; -1: free */
	int listen_fd;
	uint16_t guest_port;
	int family; /* towards the guest */
	uint32_t idle, watched;
	union portudp_address from; /* the client */
	union { /* which of the host's addresses it asked: the answer comes from there */
		struct in_pktinfo v4;
		struct in6_pktinfo v6;
	} to;
};

struct portudp {
	int epoll_fd;
	const struct guestsock_to *guest;
	unsigned count;
	struct portudp_client clients[PORTUDP_MAX];
};

void portudp_init(struct portudp *u, int epoll_fd, const struct guestsock_to *guest);

/* Have that listener's datagrams come with the address they were sent to. 0, or -1 with errno. */
int portudp_prepare(int listen_fd, int family);

/* Datagrams wait at a listener: pass them to the guest. scratch: RELAY_CHUNK bytes, here and below. */
void portudp_receive(struct portudp *u, int listen_fd, int family, uint16_t guest_port,
		     void *scratch);

/* The guest has answered that client. */
void portudp_event(struct portudp *u, uint32_t index, void *scratch);

void portudp_tick(struct portudp *u);
void portudp_close(struct portudp *u);

#endif
