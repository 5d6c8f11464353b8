/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HEAR_H
#define KEEPER_HEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/keeper.h"

/*
 * What guest and monitor say. Both may be hostile: each thing can be said once, in its time and of
 * its size; who says anything else is not listened to any more, so that nobody keeps the keeper
 * busy. Their texts are made printable.
 */

/* One packet of the monitor's channel; false when there is none. A monitor that talks nonsense, or
 * has hung up, loses its channel: channel_fd is -1 then. */
bool hear_monitor(struct keeper *k);

/* A frame of the guest (control_frame_fn); arg is the keeper. */
bool hear_guest(void *arg, uint32_t type, const void *payload, uint32_t len);

#endif
