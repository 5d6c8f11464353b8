/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_BACKENDS_H
#define VMM_MONITOR_BACKENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/launch.h"
#include "vmm/monitor/attach.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

/* What stands behind the devices: the launch record's descriptors. Their operations are the I/O thread's. */

/* A disk; ctx is a struct backend_disk. */
struct backend_disk {
	int fd;
	uint64_t capacity_bytes;
};

extern const struct blk_backend backend_disk_ops;

/* Size of disk `index`; its descriptor can be written to unless it is read-only. 0, or -1 with err. */
int backend_disk_open(struct backend_disk *disk, uint32_t index, bool read_only, struct err *err);

/* The tap on LAUNCH_FD_TAP; ctx is the struct bucket that received packets take from, or NULL: while it is shut there is
 * nothing to receive. Sets the header's length, the offloads that every driver takes, no blocking. 0, or -1 with err. */
extern const struct net_backend backend_tap_ops;
int backend_tap_open(struct err *err);

/* The console's ring in the memfd; ctx is a struct backend_ring. */
struct backend_ring {
	struct launch_ring *head; /* mapped */
	uint8_t *bytes;
	uint64_t size;
	uint64_t written;
	struct attach attach; /* gets the same bytes */
};

extern const struct console_backend backend_ring_ops;
int backend_ring_open(struct backend_ring *ring, uint32_t memfd_bytes, struct err *err);

/* Guest memory; ctx is unused. Private anonymous memory (docs/decisions/007): what is given back reads as zeroes. */
extern const struct balloon_backend backend_memory_ops;

/* LAUNCH_FD_URANDOM; ctx is unused. */
extern const struct rng_backend backend_random_ops;

/*
 * The host's ends of vsock connections; ctx is a struct backend_streams. A connection can end on a vCPU thread (the
 * driver resets the device), which may not close a descriptor: it is noted, `wake` is raised, and the I/O thread closes.
 */
struct backend_streams {
	int wake_fd; /* borrowed */
	bool any_over;
	struct {
		int fd; /* -1: none */
		bool over;
	} slots[VSOCK_MAX_CONNS];
};

extern const struct vsock_backend backend_streams_ops;
void backend_streams_init(struct backend_streams *streams, int wake_fd);

/* Close those that are over. I/O thread, before a slot is used again. */
void backend_streams_reap(struct backend_streams *streams);

#endif
