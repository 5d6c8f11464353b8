/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The keeper's first message to the monitor. Input: what the message is (one byte: its length is
 * right, a descriptor came along, receiving failed; one byte: its type), then changes to a good
 * record, each an offset (two bytes), a length (one) and that many bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bug.h"
#include "vmm/monitor/channel.h"
#include "vmm/monitor/launch.h"

#define MIB (1024ull * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct launch_record sent;
static uint8_t how, type;

/* In the channel's place. */
ssize_t channel_receive(struct launch_msg *head, void *body, size_t size, int *fd, int flags)
{
	(void)flags;
	if ((how & 7) == 7) {
		errno = ENOTCONN;
		return -1;
	}
	BUG_ON(size != sizeof(sent));
	*head = (struct launch_msg){ .type = type };
	memcpy(body, &sent, sizeof(sent));
	*fd = (how & 6) == 6 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	return (how & 5) == 5 ? (ssize_t)how : (ssize_t)sizeof(sent);
}

static struct launch_record good_record(void)
{
	return (struct launch_record){
		.magic = LAUNCH_MAGIC,
		.version = LAUNCH_VERSION,
		.size = sizeof(struct launch_record),
		.flags = LAUNCH_NET | LAUNCH_VSOCK,
		.memory_bytes = 512 * MIB,
		.n_vcpus = 1,
		.n_disks = 2,
		.console_ring_bytes = 65536,
		.guest_cid = 3,
		.mac = { 2, 1, 2, 3, 4, 5 },
		.disks = { { LAUNCH_DISK_READ_ONLY, "image" }, { 0, "disk" } },
		.cmdline = "console=hvc0 quiet",
	};
}

static void change(const uint8_t *data, size_t size)
{
	while (size >= 3) {
		size_t at = (size_t)(data[0] | data[1] << 8) % sizeof(sent), len = data[2];

		data += 3;
		size -= 3;
		for (; len > 0 && size > 0 && at < sizeof(sent); len--, size--)
			((uint8_t *)&sent)[at++] = *data++;
	}
}

/* What the monitor's own code relies on. */
static void check(const struct launch_record *record)
{
	BUG_ON(record->n_vcpus == 0 || record->n_vcpus > LAUNCH_MAX_VCPUS);
	BUG_ON(record->n_disks > LAUNCH_MAX_DISKS);
	BUG_ON(record->memory_bytes < 16 * MIB || record->memory_bytes > 65536 * MIB);
	BUG_ON(strnlen(record->cmdline, sizeof(record->cmdline)) == sizeof(record->cmdline));
	BUG_ON(record->console_ring_bytes <= sizeof(struct launch_ring));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct launch_record record;
	struct err err;

	if (size < 2)
		return 0;
	how = data[0];
	type = data[1];
	sent = good_record();
	change(data + 2, size - 2);
	if (launch_receive(&record, &err) == 0)
		check(&record);
	return 0;
}
