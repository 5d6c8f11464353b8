/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_ATTACH_H
#define VMM_MONITOR_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/virtio/console.h"

/*
 * Who is attached to the guest's console: a stream that gets what the guest writes, beside the ring, and whose bytes are
 * typed to it. Nobody waits for anybody: what the stream doesn't take at once is dropped (the ring has it), and what the
 * guest has no room for stays with the sender, but for ATTACH_TYPED bytes. All of it is the I/O thread's.
 */
#define ATTACH_TYPED 256

struct attach {
	int fd; /* non-blocking; -1: nobody */
	uint8_t typed[ATTACH_TYPED];
	uint32_t typed_at, typed_len;
};

void attach_init(struct attach *attach);

/* A new one takes the place of an earlier one, who sees the end of its stream. Takes fd over. */
void attach_take(struct attach *attach, int fd);

/* What the guest writes. */
void attach_output(struct attach *attach, const struct iovec *iov, int n);

/* True: the stream should be watched for input. */
bool attach_wants_input(const struct attach *attach);

/* The stream has input, or has ended. */
void attach_readable(struct attach *attach);

/* Hand the guest what it has room for now. */
void attach_deliver(struct attach *attach, struct console *console);

#endif
