/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * mayfly-vmm: the monitor. Started by the keeper with the descriptors of base/proto/launch.h and nothing else; takes no
 * argument, reads no file, has no option. What it may do shrinks from call to call; the guest's first instruction
 * comes after the last of them.
 */
#include "base/num.h"
#include "jail/enter.h"
#include "jail/filter.h"
#include "vmm/monitor/channel.h"
#include "vmm/monitor/launch.h"
#include "vmm/monitor/loop.h"
#include "vmm/monitor/machine.h"
#include "vmm/monitor/threads.h"

#include <sys/stat.h>

static struct machine machine;

/* The largest file it writes to is a disk; without one no file grows at all. */
static uint64_t main_max_file(const struct launch_record *record)
{
	uint64_t max = 0;
	struct stat st;

	for (uint32_t i = 0; i < record->n_disks; i++) {
		if ((record->disks[i].flags & LAUNCH_DISK_READ_ONLY) == 0 &&
		    fstat(LAUNCH_FD_DISK0 + (int)i, &st) == 0 && (uint64_t)st.st_size > max)
			max = (uint64_t)st.st_size;
	}
	return max;
}

static int main_descend(uint32_t *flags, struct err *err)
{
	struct jail_limits limits;

	if (launch_receive(&machine.record, err) < 0)
		return -1;
	if (jail_enter_fds(&machine.record, err) < 0) /* nothing else is open from here on */
		return -1;
	limits = (struct jail_limits){ .file_bytes = main_max_file(&machine.record),
				       .n_threads = machine.record.n_vcpus + 1,
				       .n_fds = MACHINE_MAX_FDS };
	if (jail_enter(&limits, flags, err) <
	    0) /* no file can be named, no capability had or gained */
		return -1;
	if (machine_open(&machine, err) < 0) /* the kernel is read here, in the jail */
		return -1;
	machine_drop_sources(); /* what it was made from: a filter can't tell descriptors apart */
	if (jail_filter_prepare(err) < 0)
		return -1;
	if (threads_start(&machine, err) <
	    0) /* each behind its own filter, none has run the guest */
		return -1;
	return jail_filter_install(JAIL_THREAD_IO, err); /* fewer than 20 calls are left */
}

int main(void)
{
	uint32_t flags;
	struct err err;

	if (main_descend(&flags, &err) < 0)
		channel_fail(&err);
	channel_ready(flags);
	threads_release();
	loop_run(&machine);
}
