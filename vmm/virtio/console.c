/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A console of one port. */
#include "vmm/virtio/console.h"

#include <assert.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "base/num.h"

static_assert(offsetof(struct console, dev) == 0, "the device is its first member");

static int64_t serve_tx(struct virtio_dev *dev, const struct virtq_chain *chain)
{
	struct console *console = (struct console *)dev;
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint32_t n =
		virtq_slice(virtq_readable(chain), chain->n_readable, 0, CONSOLE_MAX_WRITE, iov);

	if (n > 0)
		console->backend->write(console->ctx, iov, (int)n);
	return 0;
}

size_t console_input(struct console *console, const void *bytes, size_t len)
{
	struct virtio_dev *dev = &console->dev;
	struct virtq_chain chain;
	size_t taken = 0;
	uint32_t n = 0;

	while (taken < len && n < VIRTIO_BATCH && virtio_dev_pop(dev, CONSOLE_QUEUE_RX, &chain)) {
		size_t part = virtq_copy_in(virtq_writable(&chain), chain.n_writable, 0,
					    (const uint8_t *)bytes + taken, len - taken);

		virtq_push(&dev->queues[CONSOLE_QUEUE_RX], dev->mem, chain.head, (uint32_t)part);
		taken += part;
		n++;
	}
	if (n > 0)
		virtio_dev_notify(dev, CONSOLE_QUEUE_RX);
	return taken;
}

void console_resize(struct console *console, uint16_t columns, uint16_t rows)
{
	if (console->columns == columns && console->rows == rows)
		return;
	console->columns = columns;
	console->rows = rows;
	virtio_dev_config_changed(&console->dev);
}

static void config_read(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len)
{
	const struct console *console = (const struct console *)dev;
	const struct virtio_console_config config = { .cols = console->columns,
						      .rows = console->rows };

	memcpy(out, (const uint8_t *)&config + offset, len);
}

static bool kick(struct virtio_dev *dev, uint32_t q)
{
	return q == CONSOLE_QUEUE_TX && virtio_dev_serve(dev, q, serve_tx);
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_CONSOLE,
	.n_queues = 2,
	.queue_max = { [CONSOLE_QUEUE_RX] = CONSOLE_QUEUE_SIZE,
		       [CONSOLE_QUEUE_TX] = CONSOLE_QUEUE_SIZE },
	.config_len =
		offsetof(struct virtio_console_config, max_nr_ports), /* the rest is MULTIPORT's */
	.config_read = config_read,
	.kick = kick,
};

void console_init(struct console *console, const struct mem *mem, struct virtio_irq irq,
		  const struct console_backend *backend, void *ctx)
{
	*console = (struct console){ .backend = backend, .ctx = ctx };
	virtio_dev_init(&console->dev, &model, mem, irq, 1ull << VIRTIO_CONSOLE_F_SIZE);
}
