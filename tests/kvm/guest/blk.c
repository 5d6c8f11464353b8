/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Disk 0 is writable, disk 1 read-only; both have 2048 sectors. The host has put "from the host" at sector 5 of disk 0
 * and looks for what this guest writes to sector 7. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

#define BLK_IN	    0u
#define BLK_OUT	    1u
#define BLK_FLUSH   4u
#define BLK_GET_ID  8u
#define BLK_DISCARD 11u
#define BLK_ZEROES  13u

#define F_RO	(1u << 5)
#define F_FLUSH (1u << 9)
#define F_ZERO	(1u << 13 | 1u << 14) /* discard, write zeroes */

static struct guest_queue queues[2];
static uint8_t sector[512], id[20], status;
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;

/* Status byte of a request whose data is buf; 0xff when it doesn't come back. */
static uint8_t request(uint32_t disk, uint32_t type, uint32_t at, void *buf, uint32_t len,
		       bool to_guest)
{
	struct guest_queue *q = &queues[disk];

	header.type = type;
	header.sector = at;
	status = 0xff;
	guest_queue_add(q, &header, sizeof(header), false);
	if (len > 0)
		guest_queue_add(q, buf, len, to_guest);
	guest_queue_add(q, &status, 1, true);
	guest_queue_offer(q);
	return guest_queue_wait(q) < 0 ? 0xff : status;
}

static void start(uint32_t disk, uint32_t features)
{
	const enum guest_slot slot = SLOT_DISK0 + disk;

	guest_check(guest_device_start(slot, 2, features), "disk is there");
	guest_queue_start(slot, 0, &queues[disk]);
	guest_device_go(slot);
	guest_check(guest_read(guest_window(slot), VIRTIO_MMIO_CONFIG) == 2048, "capacity");
}

/* The host looks for the hole. Write zeroes that keep their place aren't to be had. */
static void check_zero(void)
{
	static struct {
		uint64_t sector;
		uint32_t n, flags;
	} seg;
	uint32_t sum = 0;

	memset(sector, 'z', sizeof(sector));
	for (uint32_t i = 0; i < 16; i++)
		sum += request(0, BLK_OUT, 1024 + i, sector, 512, false);
	guest_check(sum == 0, "16 sectors written");
	seg.sector = 1024;
	seg.n = 8;
	guest_check(request(0, BLK_DISCARD, 0, &seg, 16, false) == 0, "discard");
	guest_check(request(0, BLK_IN, 1031, sector, 512, true) == 0 && sector[0] == 0 &&
			    sector[511] == 0,
		    "reads as zeroes");
	guest_check(request(0, BLK_IN, 1032, sector, 512, true) == 0 && sector[0] == 'z',
		    "and no further");
	seg.sector = 1032;
	seg.flags = 1;
	guest_check(request(0, BLK_DISCARD, 0, &seg, 16, false) == 2, "discard has no flags");
	guest_check(request(0, BLK_ZEROES, 0, &seg, 16, false) == 0, "write zeroes, unmapped");
	seg.flags = 0;
	guest_check(request(0, BLK_ZEROES, 0, &seg, 16, false) == 2, "write zeroes, kept");
	guest_check(request(0, BLK_IN, 1033, sector, 512, true) == 0 && sector[0] == 0,
		    "zeroes all the same");
	seg.sector = 2047;
	guest_check(request(0, BLK_DISCARD, 0, &seg, 16, false) == 1, "discard behind the last");
}

static void check_last_sectors(void)
{
	guest_check(request(0, BLK_IN, 2047, sector, 512, true) == 0, "last sector");
	guest_check(request(0, BLK_IN, 2048, sector, 512, true) == 1, "one behind the last");
	guest_check(request(0, BLK_OUT, 2048, sector, 512, false) == 1, "write behind the last");
	header.sector = ~0ull;
	guest_check(request(0, BLK_IN, 0xffffffff, sector, 512, true) == 1, "far behind the last");
}

void guest_main(void)
{
	guest_console_start();
	start(0, F_FLUSH | F_ZERO);
	guest_check(request(0, BLK_IN, 5, sector, 512, true) == 0 &&
			    memcmp(sector, "from the host", 13) == 0,
		    "read");
	memcpy(sector, "from the guest", 15);
	guest_check(request(0, BLK_OUT, 7, sector, 512, false) == 0, "write");
	guest_check(request(0, BLK_FLUSH, 0, NULL, 0, false) == 0, "flush");
	guest_check(request(0, BLK_GET_ID, 0, id, 20, true) == 0 &&
			    memcmp(id, "disk-zero", 10) == 0,
		    "id");
	guest_check(request(0, 99, 0, sector, 512, true) == 2, "unknown request");
	check_last_sectors();
	check_zero();
	start(1, F_RO);
	guest_check(request(1, BLK_IN, 0, sector, 512, true) == 0, "read of the read-only disk");
	guest_check(request(1, BLK_OUT, 0, sector, 512, false) == 1, "write to the read-only disk");
	guest_check(request(1, BLK_GET_ID, 0, id, 20, true) == 0 &&
			    memcmp(id, "disk-one-twenty-byte", 20) == 0,
		    "id of full length");
	guest_print("end\n");
}
