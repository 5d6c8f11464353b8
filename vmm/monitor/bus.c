/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/bus.h"

#include <string.h>

#include "base/num.h"
#include "vmm/boot/layout.h"
#include "vmm/monitor/event.h"

static void bus_count_absent(struct machine *machine)
{
	machine_lock(machine);
	machine->n_absent++;
	machine_unlock(machine);
}

void bus_pio(struct machine *machine, struct kvm_run *run)
{
	if (run->io.direction == KVM_EXIT_IO_IN)
		memset((uint8_t *)run + run->io.data_offset, 0xff,
		       (size_t)run->io.size * run->io.count);
	bus_count_absent(machine);
}

/* The device whose window holds all of the access, NULL where there is none. */
static struct machine_device *bus_find(struct machine *machine, gpa_t gpa, uint32_t len,
				       uint64_t *offset)
{
	const uint64_t from_base = gpa - LAYOUT_MMIO_BASE;
	const uint64_t slot = from_base / LAYOUT_MMIO_STRIDE;

	*offset = from_base % LAYOUT_MMIO_STRIDE;
	if (gpa < LAYOUT_MMIO_BASE || slot >= MACHINE_SLOTS || machine->devices[slot].dev == NULL ||
	    !num_range_ok(*offset, len, LAYOUT_MMIO_STRIDE))
		return NULL;
	return &machine->devices[slot];
}

/* Queue work is the I/O thread's. */
static void bus_ring_doorbells(const struct machine_device *device, uint32_t queues)
{
	for (uint32_t q = 0; q < device->dev->model->n_queues; q++) {
		if ((queues & (1u << q)) != 0)
			event_raise(device->doorbell_fd[q]);
	}
}

void bus_mmio(struct machine *machine, struct kvm_run *run)
{
	const uint32_t len = num_min_u32(run->mmio.len, sizeof(run->mmio.data));
	struct machine_device *device;
	uint64_t offset;
	uint32_t queues = 0;

	device = bus_find(machine, run->mmio.phys_addr, len, &offset);
	if (device == NULL) {
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		bus_count_absent(machine);
		return;
	}
	machine_lock(machine);
	if (run->mmio.is_write)
		queues = mmio_write(&device->mmio, offset, run->mmio.data, len);
	else
		mmio_read(&device->mmio, offset, run->mmio.data, len);
	machine_unlock(machine);
	bus_ring_doorbells(device, queues);
}
