/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_DEVICE_H
#define VMM_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/mem/mem.h"
#include "vmm/virtio/bucket.h"
#include "vmm/virtio/virtq.h"

/*
 * A device as the transport sees it, and the transport as a device sees it. mmio knows queues and
 * status but no device; devices know no register; only the machine knows both. Everything here is
 * pure: no descriptor, no system call, no clock. All calls are made with the machine's lock held:
 * registers (and so reset) on a vCPU thread, all else on the I/O thread. The embedding struct has
 * its virtio_dev as first member, called dev.
 */
#define VIRTIO_MAX_QUEUES 3

struct virtio_dev;

/* Constant per device kind. */
struct virtio_model {
	uint32_t device_id; /* virtio 1.2 §5 */
	uint32_t n_queues;
	uint16_t queue_max[VIRTIO_MAX_QUEUES]; /* power of two; small ones boot faster */
	uint32_t config_len;
	uint64_t needs; /* features without which the driver can't have it; all offered */
	/* Fill out[0 … len) from the config space at offset; mmio has checked the range. */
	void (*config_read)(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len);
	/* The driver writes data[0 … len) to the config space at offset (in range); false when it may not. NULL: nowhere. */
	bool (*config_write)(struct virtio_dev *dev, uint32_t offset, const void *data,
			     uint32_t len);
	/* Queue q was notified: serve it, but only so many chains that a storm can't starve others.
	 * True: more is left, kick again after the other work. I/O thread only. Ignored while the
	 * device isn't active. */
	bool (*kick)(struct virtio_dev *dev, uint32_t q);
	/* Back to the state after init: forget every buffer; status and queues are mmio's. May be
	 * NULL. */
	void (*reset)(struct virtio_dev *dev);
};

/* What a device can ask of the machine. */
struct virtio_irq {
	void (*raise)(void *ctx); /* pulse the device's interrupt line (irqfd) */
	void *ctx;
};

struct virtio_dev {
	const struct virtio_model *model;
	const struct mem *mem;
	struct virtio_irq irq;
	struct virtq queues[VIRTIO_MAX_QUEUES];
	/* NULL, or what chains of the queue take from: while it is shut none is taken, and whoever
	 * refills it kicks again. The machine sets it after init. */
	struct bucket *limits[VIRTIO_MAX_QUEUES];
	uint64_t features;	  /* offered */
	uint64_t driver_features; /* negotiated */
	uint32_t status;	  /* virtio 1.2 §2.1 */
	uint32_t interrupt_status;
	uint32_t config_generation;
	uint64_t n_guest_errors; /* counted, never logged one by one */
};

/* features: those of the device; VIRTIO_F_VERSION_1, VIRTIO_F_INDIRECT_DESC and VIRTIO_F_EVENT_IDX
 * are added. */
void virtio_dev_init(struct virtio_dev *dev, const struct virtio_model *model,
		     const struct mem *mem, struct virtio_irq irq, uint64_t features);

/* The guest broke the rules: set DEVICE_NEEDS_RESET, tell it once by a configuration interrupt,
 * count. The device serves nothing until the driver resets it. */
void virtio_dev_fail(struct virtio_dev *dev);

/* The config space reads otherwise from now on: tell the driver. */
void virtio_dev_config_changed(struct virtio_dev *dev);

/* True while the queue's limit lets nothing pass. */
bool virtio_dev_is_held(const struct virtio_dev *dev, uint32_t q);

/* True between DRIVER_OK and a reset or failure. */
bool virtio_dev_active(const struct virtio_dev *dev);

/* Take the next chain of queue q; false when there is none, the device isn't active, or now has
 * failed, or the queue is held. */
bool virtio_dev_pop(struct virtio_dev *dev, uint32_t q, struct virtq_chain *chain);

/* Handles one chain; the bytes written to it, or VIRTIO_FAULT: the guest broke the rules. */
typedef int64_t virtio_serve_fn(struct virtio_dev *dev, const struct virtq_chain *chain);
#define VIRTIO_FAULT (-1)
#define VIRTIO_BATCH 64 /* chains served in one call */

/* Serve up to VIRTIO_BATCH chains of queue q, notify once. True: more may be left. */
bool virtio_dev_serve(struct virtio_dev *dev, uint32_t q, virtio_serve_fn *serve);

/* Set the used-buffer bit and raise the line if the driver wants to know about queue q. */
void virtio_dev_notify(struct virtio_dev *dev, uint32_t q);

#endif
