/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_RING_H
#define CLI_RING_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The console ring of a sandbox (struct launch_ring), which its monitor writes while we read. The head is the monitor's
 * to write: nothing in it is believed but how far it says to have come.
 */
#define RING_CHUNK 16384

struct ring {
	int fd;
	uint64_t size; /* bytes behind the head, from the file's own size */
	uint64_t at;   /* next byte to read, counted from the beginning of time */
};

/* 0, or -1 with err (os_errno ENOENT, EACCES). */
int ring_open(struct ring *ring, const char *path, struct err *err);
void ring_close(struct ring *ring);

/* How many bytes were ever written. 0, or -1 with err. */
int ring_written(const struct ring *ring, uint64_t *written, struct err *err);

/*
 * Up to RING_CHUNK bytes into buf: their number, 0 when there are no more now, -1 when it can't be read. What the writer
 * has overtaken meanwhile is left out.
 */
ssize_t ring_read(struct ring *ring, char *buf);

#endif
