/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/launch.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "vmm/monitor/channel.h"

#define LAUNCH_MIB	  (1024ull * 1024)
#define LAUNCH_MIN_MEMORY (16 * LAUNCH_MIB)
#define LAUNCH_MAX_MEMORY (64ull * 1024 * LAUNCH_MIB)
#define LAUNCH_MIN_RING	  4096u
#define LAUNCH_MAX_RING	  (64u * 1024 * 1024)
#define LAUNCH_MIN_CID	  3u
#define LAUNCH_ALL_FLAGS  (LAUNCH_NET | LAUNCH_VSOCK | LAUNCH_BALLOON)

static int launch_check_disks(const struct launch_record *record, struct err *err)
{
	static const struct launch_disk none;

	if (record->n_disks > LAUNCH_MAX_DISKS)
		return err_set(err, ERR_USAGE, "launch record: %u disks, at most %d are possible",
			       record->n_disks, LAUNCH_MAX_DISKS);
	for (uint32_t i = 0; i < LAUNCH_MAX_DISKS; i++) {
		const struct launch_disk *disk = &record->disks[i];

		if (i < record->n_disks ? (disk->flags & ~(uint32_t)LAUNCH_DISK_READ_ONLY) != 0
					: memcmp(disk, &none, sizeof(none)) != 0)
			return err_set(err, ERR_USAGE,
				       "launch record: disk %u has unknown flags or isn't there",
				       i);
	}
	return 0;
}

static int launch_check_net(const struct launch_record *record, struct err *err)
{
	static const uint8_t none[sizeof(record->mac)];
	const bool no_mac = memcmp(record->mac, none, sizeof(none)) == 0;

	if ((record->flags & LAUNCH_NET) == 0)
		return no_mac ? 0
			      : err_set(err, ERR_USAGE,
					"launch record: a MAC address without a network");
	if (no_mac || (record->mac[0] & 1) != 0)
		return err_set(err, ERR_USAGE,
			       "launch record: the MAC address is zero or not that of one station");
	return 0;
}

int launch_check(const struct launch_record *record, struct err *err)
{
	if (record->magic != LAUNCH_MAGIC || record->version != LAUNCH_VERSION ||
	    record->size != sizeof(*record))
		return err_set(err, ERR_FAILED,
			       "launch record of another version: keeper and monitor don't match");
	if ((record->flags & ~(uint32_t)LAUNCH_ALL_FLAGS) != 0)
		return err_set(err, ERR_USAGE, "launch record: unknown flags 0x%x", record->flags);
	if (record->memory_bytes < LAUNCH_MIN_MEMORY || record->memory_bytes > LAUNCH_MAX_MEMORY ||
	    record->memory_bytes % (2 * LAUNCH_MIB) != 0)
		return err_set(
			err, ERR_USAGE,
			"launch record: memory isn't a multiple of 2 MiB from 16 MiB to 64 GiB");
	if (record->n_vcpus < 1 || record->n_vcpus > LAUNCH_MAX_VCPUS)
		return err_set(err, ERR_USAGE, "launch record: %u vCPUs, 1 to %d are possible",
			       record->n_vcpus, LAUNCH_MAX_VCPUS);
	if (record->console_ring_bytes < LAUNCH_MIN_RING ||
	    record->console_ring_bytes > LAUNCH_MAX_RING)
		return err_set(err, ERR_USAGE,
			       "launch record: console ring isn't of 4 KiB to 64 MiB");
	if ((record->flags & LAUNCH_VSOCK) != 0 &&
	    (record->guest_cid < LAUNCH_MIN_CID || record->guest_cid == UINT32_MAX))
		return err_set(err, ERR_USAGE, "launch record: %u can't be a guest's CID",
			       record->guest_cid);
	if (record->pad[0] != 0 || record->pad[1] != 0)
		return err_set(err, ERR_USAGE, "launch record: unused bytes aren't zero");
	if (memchr(record->cmdline, '\0', sizeof(record->cmdline)) == NULL)
		return err_set(err, ERR_USAGE, "launch record: the command line isn't terminated");
	if (launch_check_disks(record, err) < 0)
		return -1;
	return launch_check_net(record, err);
}

int launch_receive(struct launch_record *record, struct err *err)
{
	struct launch_msg head;
	ssize_t n;
	int fd;

	n = channel_receive(&head, record, sizeof(*record), &fd, 0);
	if (n < 0)
		return err_sys(err, "launch record");
	if (fd >= 0)
		(void)close(fd);
	if (head.type != LAUNCH_MSG_RECORD || n != sizeof(*record) || fd >= 0)
		return err_set(err, ERR_FAILED, "the keeper's first message isn't a launch record");
	return launch_check(record, err);
}
