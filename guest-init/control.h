/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_CONTROL_H
#define GUEST_INIT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proto/guest.h"

/* The control stream to the keeper. One per machine, opened once. */

/* Connect to the host; the descriptor, or -1. */
int control_open(void);

/* Tell the host that services listen. 0 or -1. */
int control_ready(int fd);

/* Tell the host why the machine ends, and wait (at most two seconds) until it has been taken over: the stream is closed. */
void control_end(int fd, enum guest_end_reason reason, const char *text);

/* What the host asked for. */
struct control_request {
	uint32_t type; /* GUEST_SHUTDOWN, GUEST_CLOCK, GUEST_DEADLINE, GUEST_NOTICE */
	union {
		struct guest_shutdown shutdown;
		struct guest_clock clock;
		struct guest_deadline deadline;
		struct guest_notice notice;
	};
};

/* Receive one request. False when the stream has ended or makes no sense: it is of no use any more. */
bool control_receive(int fd, struct control_request *request);

#endif
