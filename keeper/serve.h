/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_SERVE_H
#define KEEPER_SERVE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct keeper;

/*
 * RUN_DIR/ID/ctl.sock. Clients are root and the group; a packet that isn't a request gets CTL_ERROR and changes nothing.
 * Nothing a client does is waited for. When all places are taken, who came first and asked for nothing (else: who came
 * first, never root's destroy or stop before another) makes room.
 */
#define SERVE_MAX_CLIENTS 16

struct serve_client {
	int fd;		/* -1: free */
	uint64_t since; /* it came as the how-manieth */
	bool wants_end; /* WAIT or DESTROY: to be told when the sandbox has ended */
	bool destroy;
};

struct serve {
	int listen_fd;
	uint64_t came; /* clients until now */
	struct serve_client clients[SERVE_MAX_CLIENTS];
};

void serve_init(struct serve *serve);
int serve_open(struct keeper *k, struct err *err);

/* Poll entries: one for the listener, one for each client place. */
#define SERVE_POLL_FDS (1 + SERVE_MAX_CLIENTS)
void serve_poll(const struct serve *serve, struct pollfd fds[SERVE_POLL_FDS]);
void serve_handle(struct keeper *k, const struct pollfd fds[SERVE_POLL_FDS]);

void serve_close_listener(struct serve *serve);

/* The end: answer those that wait for it, close all. residue: NULL, or what destroy left. */
void serve_finish(struct keeper *k, uint32_t reason, const char *text, const struct err *residue);

#endif
