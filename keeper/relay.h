/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_RELAY_H
#define KEEPER_RELAY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The bytes of one proxied TCP connection, both ways, half-close included. Nothing is buffered here: what the other end
 * does not take stays in the kernel's receive buffer of the one it came from (a look with MSG_PEEK, then as many bytes
 * as were taken are dropped), and thereby holds its sender back. So a thousand stalled connections cost no memory of
 * ours, and one scratch buffer serves all.
 */
#define RELAY_CHUNK 65536

enum relay_end { RELAY_CLIENT, RELAY_GUEST, RELAY_ENDS };

struct relay {
	int fd[RELAY_ENDS];	  /* non-blocking stream sockets; -1: none */
	bool done[RELAY_ENDS];	  /* this end has said its last, and the other was told */
	bool blocked[RELAY_ENDS]; /* what this end says waits until the other takes more */
};

/*
 * Move what `from` has said to the other end: one chunk at most. scratch: RELAY_CHUNK bytes. false: the connection is
 * broken, to be ended with relay_abort.
 */
bool relay_move(struct relay *r, enum relay_end from, void *scratch);

/* What to wait for at that end: EPOLLIN and EPOLLOUT, or 0. */
uint32_t relay_events(const struct relay *r, enum relay_end end);

/* Both ends have said their last and all of it was passed on: relay_close. */
bool relay_over(const struct relay *r);

/* Close both; what the kernel has taken is still delivered. */
void relay_close(struct relay *r);

/* Close both with a reset: each end sees that it was not the other's wish. */
void relay_abort(struct relay *r);

/* A reset for a single socket; *fd becomes -1. */
void relay_reset(int *fd);

#endif
