/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_CONTROL_H
#define KEEPER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/guest.h"

/*
 * The control stream to mayfly-init. The guest's end belongs to a guest: a frame that is too long, that
 * nobody wants or that can't be sent closes the stream; nothing is ever waited for.
 */
struct control {
	int fd; /* our end; -1: closed */
	size_t have;
	unsigned char buf[sizeof(struct guest_frame) + GUEST_FRAME_MAX];
};

/* Called for each whole frame; false: the guest talks nonsense. */
typedef bool control_frame_fn(void *arg, uint32_t type, const void *payload, uint32_t len);

/* Make the pair; *peer is the monitor's end, owned by the caller. 0, or -1 with err. */
int control_open(struct control *control, int *peer, struct err *err);

/* Read once, hand over whole frames. Closes the stream at its end or when it talks nonsense. */
void control_read(struct control *control, control_frame_fn *frame, void *arg);

/* Send one frame; false when there is no stream (any more). */
bool control_send(struct control *control, uint32_t type, const void *payload, uint32_t len);

void control_close(struct control *control);

#endif
