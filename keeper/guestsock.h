/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_GUESTSOCK_H
#define KEEPER_GUESTSOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Sockets from the keeper to its guest. They carry the sandbox's mark, without which the gate lets nothing to a tap, and
 * are bound to the tap: when it is gone they fail, instead of following another route to whoever has that address there.
 */
struct guestsock_to {
	uint32_t ipv4; /* host byte order */
	uint8_t ipv6[16];
	bool has_ipv6;
	uint32_t mark;	  /* 0: none */
	uint32_t ifindex; /* the tap; 0: any way */
};

/* What the kernel may hold for one direction of one socket: twice this, see socket(7). */
#define GUESTSOCK_BUFFER (256 << 10)

/* A non-blocking socket, connected or on its way there. family: AF_INET or AF_INET6; type: SOCK_STREAM or
 * SOCK_DGRAM. -1 with errno. */
int guestsock_open(const struct guestsock_to *to, int family, int type, uint16_t port);

/* The guest's other family, or the same when it has no other. */
int guestsock_other(const struct guestsock_to *to, int family);

/* Bounded buffers, no waiting for full packets, urgent bytes in line, vanished peers found out. On listeners too: what
 * they accept inherits it. */
void guestsock_tune(int fd, int type);

#endif
