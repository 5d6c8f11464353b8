/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/virtio/device.h"

/* A console of one port (virtio 1.2 §5.3, no MULTIPORT). */
#define CONSOLE_QUEUE_SIZE                                                                         \
	16 /* Linux kicks once for each receive buffer when it starts: few are better */
#define CONSOLE_QUEUE_RX 0
#define CONSOLE_QUEUE_TX 1
#define CONSOLE_MAX_WRITE                                                                          \
	65536 /* bytes taken from one chain; the rest is dropped, no driver sends so many */

struct console_backend {
	void (*write)(void *ctx, const struct iovec *iov,
		      int n); /* I/O thread; takes all: a ring forgets the oldest */
};

struct console {
	struct virtio_dev dev;
	const struct console_backend *backend;
	void *ctx;
	uint16_t columns, rows; /* of whoever is attached; 0: unknown */
};

void console_init(struct console *console, const struct mem *mem, struct virtio_irq irq,
		  const struct console_backend *backend, void *ctx);

/* Type len bytes; how many the guest had room for. */
size_t console_input(struct console *console, const void *bytes, size_t len);

/* The terminal's size has changed: the driver is told (VIRTIO_CONSOLE_F_SIZE, virtio 1.2 §5.3.4). */
void console_resize(struct console *console, uint16_t columns, uint16_t rows);

#endif
