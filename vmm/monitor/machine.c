/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/machine.h"

#include <assert.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/layout.h"
#include "vmm/kvm/irq.h"
#include "vmm/monitor/event.h"
#include "vmm/monitor/load.h"

static_assert(MACHINE_SLOTS <= LAYOUT_MAX_DEVICES, "each device has a window and a line");

/* ---- rate limits */

static int machine_open_buckets(struct machine *m, struct err *err)
{
	bool any = false;

	for (uint32_t i = 0; i < LAUNCH_BUCKETS; i++) {
		const struct launch_rate *rate = &m->record.rates[i];

		bucket_init(&m->buckets[i],
			    (struct bucket_rate){ rate->bytes_per_s, rate->burst_bytes },
			    (struct bucket_rate){ rate->ops_per_s, rate->burst_ops });
		any |= bucket_is_limited(&m->buckets[i]);
	}
	m->clock_fd = -1;
	return any ? event_open_clock(&m->clock_fd, BUCKET_TICKS_PER_S, err) : 0;
}

struct bucket *machine_limit(struct machine *m, enum launch_bucket bucket)
{
	return bucket_is_limited(&m->buckets[bucket]) ? &m->buckets[bucket] : NULL;
}

void machine_refill(struct machine *m)
{
	const uint64_t ticks = m->clock_fd < 0 ? 0 : event_clear(m->clock_fd);

	for (uint32_t i = 0; ticks > 0 && i < LAUNCH_BUCKETS; i++)
		bucket_refill(&m->buckets[i], ticks);
}

/* ---- the devices: each opens its backend and returns the device that the guest will see in *dev */

static int machine_open_disk(struct machine *m, uint32_t slot, struct virtio_irq irq,
			     struct virtio_dev **dev, struct err *err)
{
	const uint32_t i = slot - MACHINE_DISK0;
	const struct launch_disk *record = &m->record.disks[i];
	struct blk_config config = { .read_only = (record->flags & LAUNCH_DISK_READ_ONLY) != 0 };

	static_assert(sizeof(config.id) == sizeof(record->id), "ABI");
	memcpy(config.id, record->id, sizeof(config.id));
	if (backend_disk_open(&m->disk[i], i, config.read_only, err) < 0)
		return -1;
	config.capacity_bytes = m->disk[i].capacity_bytes;
	blk_init(&m->blk[i], &m->mem, irq, &backend_disk_ops, &m->disk[i], &config);
	m->blk[i].dev.limits[0] = machine_limit(m, LAUNCH_BUCKET_DISK);
	*dev = &m->blk[i].dev;
	return 0;
}

static int machine_open_net(struct machine *m, uint32_t slot, struct virtio_irq irq,
			    struct virtio_dev **dev, struct err *err)
{
	(void)slot;
	if (backend_tap_open(err) < 0)
		return -1;
	net_init(&m->net, &m->mem, irq, &backend_tap_ops, machine_limit(m, LAUNCH_BUCKET_NET_RX),
		 m->record.mac);
	m->net.dev.limits[NET_QUEUE_TX] = machine_limit(m, LAUNCH_BUCKET_NET_TX);
	*dev = &m->net.dev;
	return 0;
}

static int machine_open_vsock(struct machine *m, uint32_t slot, struct virtio_irq irq,
			      struct virtio_dev **dev, struct err *err)
{
	(void)slot;
	(void)err;
	vsock_init(&m->vsock, &m->mem, irq, &backend_streams_ops, &m->streams, m->record.guest_cid);
	*dev = &m->vsock.dev;
	return 0;
}

static int machine_open_console(struct machine *m, uint32_t slot, struct virtio_irq irq,
				struct virtio_dev **dev, struct err *err)
{
	(void)slot;
	if (backend_ring_open(&m->ring, m->record.console_ring_bytes, err) < 0)
		return -1;
	console_init(&m->console, &m->mem, irq, &backend_ring_ops, &m->ring);
	*dev = &m->console.dev;
	return 0;
}

static int machine_open_rng(struct machine *m, uint32_t slot, struct virtio_irq irq,
			    struct virtio_dev **dev, struct err *err)
{
	(void)slot;
	(void)err;
	rng_init(&m->rng, &m->mem, irq, &backend_random_ops, NULL);
	*dev = &m->rng.dev;
	return 0;
}

static int machine_open_balloon(struct machine *m, uint32_t slot, struct virtio_irq irq,
				struct virtio_dev **dev, struct err *err)
{
	(void)slot;
	(void)err;
	balloon_init(&m->balloon, &m->mem, irq, &backend_memory_ops, NULL);
	*dev = &m->balloon.dev;
	return 0;
}

/* ---- the device table: what there can be; slot n has window n and the n-th line from LAYOUT_FIRST_GSI on */

static const struct machine_row {
	uint32_t flag;	  /* enum launch_flags it needs, 0: none */
	uint32_t n_disks; /* needs at least so many disks */
	int (*open)(struct machine *m, uint32_t slot, struct virtio_irq irq,
		    struct virtio_dev **dev, struct err *err);
} machine_table[] = {
	[MACHINE_DISK0 + 0] = { 0, 1, machine_open_disk },
	[MACHINE_DISK0 + 1] = { 0, 2, machine_open_disk },
	[MACHINE_DISK0 + 2] = { 0, 3, machine_open_disk },
	[MACHINE_DISK0 + 3] = { 0, 4, machine_open_disk },
	[MACHINE_NET] = { LAUNCH_NET, 0, machine_open_net },
	[MACHINE_VSOCK] = { LAUNCH_VSOCK, 0, machine_open_vsock },
	[MACHINE_CONSOLE] = { 0, 0, machine_open_console },
	[MACHINE_RNG] = { 0, 0, machine_open_rng },
	[MACHINE_BALLOON] = { LAUNCH_BALLOON, 0, machine_open_balloon },
};

static_assert(ARRAY_SIZE(machine_table) == MACHINE_SLOTS, "a row for each slot");
static_assert(LAUNCH_MAX_DISKS == 4, "a row for each disk");

static gpa_t machine_window(uint32_t slot)
{
	return LAYOUT_MMIO_BASE + (gpa_t)slot * LAYOUT_MMIO_STRIDE;
}

static void machine_raise_line(void *ctx)
{
	const struct machine_device *device = ctx;

	event_raise(device->line_fd);
}

static int machine_wire(struct machine *m, uint32_t slot, struct err *err)
{
	struct machine_device *device = &m->devices[slot];

	if (event_open(&device->line_fd, err) < 0 ||
	    irq_wire_line(&m->vm, device->line_fd, LAYOUT_FIRST_GSI + slot, err) < 0)
		return -1;
	for (uint32_t q = 0; q < device->dev->model->n_queues; q++) {
		if (event_open(&device->doorbell_fd[q], err) < 0 ||
		    irq_wire_doorbell(&m->vm, device->doorbell_fd[q],
				      machine_window(slot) + VIRTIO_MMIO_QUEUE_NOTIFY, q, err) < 0)
			return -1;
	}
	return 0;
}

static int machine_open_device(struct machine *m, uint32_t slot, char *cmdline, struct err *err)
{
	const struct machine_row *row = &machine_table[slot];
	struct machine_device *device = &m->devices[slot];
	const struct virtio_irq irq = { machine_raise_line, device };

	if ((m->record.flags & row->flag) != row->flag || m->record.n_disks < row->n_disks)
		return 0;
	if (row->open(m, slot, irq, &device->dev, err) < 0 || machine_wire(m, slot, err) < 0)
		return -1;
	mmio_init(&device->mmio, device->dev);
	if (!cmdline_add_device(cmdline, LAYOUT_CMDLINE_SIZE, machine_window(slot),
				LAYOUT_FIRST_GSI + slot))
		return err_set(err, ERR_USAGE, "the kernel's command line is too long");
	return 0;
}

static int machine_open_vcpus(struct machine *m, const struct entry *entry, struct err *err)
{
	for (uint32_t i = 0; i < m->n_vcpus; i++) {
		if (vcpu_open(&m->vcpus[i], &m->vm, i, m->n_vcpus, entry, err) < 0)
			return -1;
	}
	return 0;
}

int machine_open(struct machine *m, struct err *err)
{
	char cmdline[LAYOUT_CMDLINE_SIZE];
	struct entry entry;
	uint32_t lines = 0;

	m->n_vcpus = m->record.n_vcpus;
	BUG_ON(pthread_mutex_init(&m->lock, NULL) != 0);
	if (load_memory(&m->mem, m->record.memory_bytes, err) < 0 ||
	    vm_open(&m->vm, LAUNCH_FD_KVM, &m->mem, err) < 0 || event_open(&m->wake_fd, err) < 0 ||
	    machine_open_buckets(m, err) < 0)
		return -1;
	backend_streams_init(&m->streams, m->wake_fd);
	BUG_ON(!cmdline_init(cmdline, sizeof(cmdline), m->record.cmdline));
	for (uint32_t slot = 0; slot < MACHINE_SLOTS; slot++) {
		if (machine_open_device(m, slot, cmdline, err) < 0)
			return -1;
		if (m->devices[slot].dev != NULL)
			lines |= 1u << (LAYOUT_FIRST_GSI + slot);
	}
	if (load_guest(&m->mem, cmdline, m->n_vcpus, lines, &entry, err) < 0)
		return -1;
	return machine_open_vcpus(m, &entry, err);
}

void machine_drop_sources(void)
{
	static const int sources[] = { LAUNCH_FD_KVM, LAUNCH_FD_KERNEL, LAUNCH_FD_INITRD,
				       LAUNCH_FD_CONSOLE };

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		(void)close(sources[i]);
}

void machine_lock(struct machine *m)
{
	BUG_ON(pthread_mutex_lock(&m->lock) != 0);
}

void machine_unlock(struct machine *m)
{
	BUG_ON(pthread_mutex_unlock(&m->lock) != 0);
}

noreturn void machine_finish(struct machine *m, enum launch_end_reason reason, uint32_t detail)
{
	machine_lock(m);
	if (!m->end.is_set)
		m->end = (struct machine_end){ true, reason, detail };
	machine_unlock(m);
	event_raise(m->wake_fd);
	gate_sleep();
}
