/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Breaks the rules of the ring, device by device: each stops with DEVICE_NEEDS_RESET, works again after a reset, and the
 * console, meanwhile, speaks on. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

#define NEXT	 1
#define INDIRECT 4

static struct guest_queue queue, clean;
static uint8_t bytes[16];

static void start(struct guest_queue *q)
{
	*q = clean;
	if (!guest_device_start(SLOT_RNG, 4, 0))
		guest_end();
	guest_queue_start(SLOT_RNG, 0, q);
	guest_device_go(SLOT_RNG);
}

static bool works(void)
{
	start(&queue);
	guest_queue_add(&queue, bytes, sizeof(bytes), true);
	guest_queue_offer(&queue);
	return guest_queue_wait(&queue) == sizeof(bytes);
}

static void self_loop(void)
{
	guest_queue_add(&queue, bytes, 1, true);
	queue.desc[0].flags |= NEXT;
}

static void next_outside(void)
{
	self_loop();
	queue.desc[0].next = 0xffff;
}

static void address_wraps(void)
{
	guest_queue_add(&queue, bytes, 64, true);
	queue.desc[0].addr = ~0ull - 8;
}

static void buffer_in_hole(void)
{
	guest_queue_add(&queue, (void *)0xd0000000, 64, true);
}

static void length_4_gib(void)
{
	guest_queue_add(&queue, bytes, 0xffffffff, true);
}

static void head_outside(void)
{
	queue.avail.ring[queue.avail.idx % GUEST_RING] = GUEST_RING;
}

static void index_jumps(void)
{
	queue.avail.idx += 1000;
}

static void try_one(void (*break_it)(void), const char *what)
{
	start(&queue);
	break_it();
	if (break_it == head_outside) {
		queue.avail.idx++;
		guest_write(queue.window, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	} else {
		guest_queue_offer(&queue);
	}
	guest_check(guest_stops(SLOT_RNG), what);
	guest_check(works(), "works again");
}

void guest_main(void)
{
	guest_console_start();
	try_one(self_loop, "descriptor that loops");
	try_one(next_outside, "next outside the table");
	try_one(address_wraps, "address that wraps");
	try_one(buffer_in_hole, "buffer in the hole");
	try_one(length_4_gib, "length of 4 GiB");
	try_one(head_outside, "head outside the table");
	try_one(index_jumps, "index that jumps");
	guest_print("end\n");
}
