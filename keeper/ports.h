/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PORTS_H
#define KEEPER_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/guestsock.h"

/*
 * A sandbox's published ports: listeners of the keeper, so that they die with it, and what goes through them. One epoll
 * set stands for all of it in the keeper's poll; a turn of it is bounded in events and in bytes. All memory is taken
 * once, when there are ports; what is in flight is the kernel's (relay.h), and bounded by GUESTSOCK_BUFFER.
 *
 * The guest sees the keeper's address as the client's: it is a proxy that stands in between.
 */
struct ports;

/* Descriptors that a keeper with published ports may need beyond its others. */
#define PORTS_FDS (SPEC_MAX_PORTS + 2 + 2 * 256 + 128 + 8)

/* How many of the list are used. */
unsigned ports_count(const struct spec_port ports[SPEC_MAX_PORTS]);

/*
 * Bind and listen, all or none. Connections wait until the first ports_turn. Ports below 1024 need CAP_NET_BIND_SERVICE.
 * err says whose a port is that is taken (host: where the sandboxes' names are looked up).
 */
int ports_open(struct ports **out, const struct spec_port ports[SPEC_MAX_PORTS],
	       const struct guestsock_to *guest, const struct host_config *host, struct err *err);

/* The listeners' socket inodes, by which they can be told from anybody else's: "12,13". Returns buf. */
#define PORTS_SOCKETS_SIZE (SPEC_MAX_PORTS * 11 + 1)
const char *ports_sockets(const struct ports *p, char buf[PORTS_SOCKETS_SIZE]);

/* The descriptor that becomes readable when there is work; -1 without ports. */
int ports_fd(const struct ports *p);

/* Some of the work. */
void ports_turn(struct ports *p);

/* Take nothing new any more; what goes through already goes on. Safe on NULL, and again. */
void ports_hush(struct ports *p);

/* All of it ends; *p becomes NULL. */
void ports_close(struct ports **p);

#endif
