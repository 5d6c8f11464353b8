/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_FRAME_H
#define GUEST_INIT_FRAME_H

#include <stdint.h>

#include "base/proto/guest.h"

/* Frames of base/proto/guest.h on a blocking stream socket. */

/* Send one frame. 0, or -1 with errno. */
int frame_send(int fd, uint32_t type, const void *payload, uint32_t len);

/* Receive one frame: payload of at most max bytes into buf. 0; -1 at the end of the stream, on an error or when the
 * frame is longer than max (the stream is unusable then). */
int frame_receive(int fd, struct guest_frame *frame, void *buf, uint32_t max);

#endif
