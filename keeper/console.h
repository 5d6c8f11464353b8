/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_CONSOLE_H
#define KEEPER_CONSOLE_H

#include <stddef.h>

#include "store/store.h"

/* What the guest's console said last: struct launch_ring (base/proto/launch.h) as the monitor left it, which isn't believed. */

/* Keep it as sandboxes/ID/console-tail, oldest byte first. Best effort. */
void console_keep(const struct host_config *host, const char *id);

/* The line that tells most of why it ended: a kernel's panic, else the last one that isn't what every end prints; printable ASCII, its
 * first size - 1 bytes; "" without one. */
void console_last_line(const struct host_config *host, const char *id, char *out, size_t size);

#endif
