/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_CGROUP_H
#define JAIL_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * cgroup v2, by path: teardown works from names alone, so nothing here has a handle. Paths are absolute, as found
 * below the mount. Every call that undoes something treats absence as success. Errors name the file and the mend.
 *
 * Two shapes. Without systemd: cgroup_find, then MOUNT/mayfly (cgroup_parent_up, by `host up`), then one
 * MOUNT/mayfly/ID per monitor (cgroup_create). In a unit with Delegate=yes: cgroup_own is the unit, cgroup_split moves
 * the keeper to UNIT/keeper, and UNIT/vmm is the monitor's (cgroup_create).
 */
#define CGROUP_PATH_SIZE 512
#define CGROUP_PARENT	 "mayfly" /* directory below the mount, without systemd */

enum cgroup_controller {
	CGROUP_CPU = 1u << 0,
	CGROUP_MEMORY = 1u << 1,
	CGROUP_PIDS = 1u << 2,
	CGROUP_IO =
		1u << 3, /* handed down where there is one; only those who ask for io.max need it */
	CGROUP_ALL = CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS,
};

struct cgroup_limits {
	uint64_t memory_bytes; /* memory.max: cgroup_memory_max(guest's RAM) */
	uint32_t cpu_percent;  /* cpu.max: 100 is one CPU */
	uint32_t cpu_weight;   /* cpu.weight, 1 … 10000; 0: the kernel's default */
	uint32_t pids;	       /* pids.max: cgroup_pids_max(vCPUs) */
};

/* io.max on one device (a whole disk, not a partition); 0 is no limit. */
struct cgroup_io {
	uint32_t major, minor;
	uint64_t read_bytes_per_s, write_bytes_per_s, read_ops_per_s, write_ops_per_s;
};

/*
 * What a monitor may use for a guest of ram_bytes: the RAM, 1/64 of it (two levels of page tables and KVM's reverse
 * maps take 8 bytes a page each), and 64 MiB (KVM, the monitor, a working share of the disk's page cache; the kernel
 * reclaims the rest of that cache, it does not kill for it).
 */
uint64_t cgroup_memory_max(uint64_t ram_bytes);

/* Threads of a monitor: I/O, vCPUs, and two that KVM may start on its behalf (since 6.14 at the first KVM_RUN). */
uint32_t cgroup_pids_max(uint32_t n_vcpus);

/* Where cgroup v2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host. 0, or -1 with err. */
int cgroup_find(char path[CGROUP_PATH_SIZE], struct err *err);

/* This process's cgroup as a path below the mount. 0, or -1 with err. */
int cgroup_own(char path[CGROUP_PATH_SIZE], struct err *err);

/*
 * Make the parent directory (existing: fine) and hand it and its children the controllers of CGROUP_ALL. *missing is the set
 * that this host doesn't give (v1 has them, or the kernel lacks them): limits that will not be enforced. 0, or -1 with err.
 */
int cgroup_parent_up(const char *parent, uint32_t *missing, struct err *err);

/* Remove the parent directory. ERR_RESIDUE when a sandbox still has a cgroup in it. 0, or -1 with err. */
int cgroup_parent_down(const char *parent, struct err *err);

/* In a delegated unit: make UNIT/keeper, move this process there, hand UNIT's children the controllers. As parent_up. */
int cgroup_split(const char *unit, uint32_t *missing, struct err *err);

/* Make a leaf. ERR_EXISTS when it is there already. 0, or -1 with err. */
int cgroup_create(const char *path, struct err *err);

/*
 * Set the limits: memory.max, memory.swap.max = 0, memory.oom.group = 1, cpu.max, cpu.weight, pids.max. Controllers that the cgroup
 * doesn't have are skipped and reported in *missing. 0, or -1 with err (a file that is there refuses the value).
 */
int cgroup_limit(const char *path, const struct cgroup_limits *limits, uint32_t *missing,
		 struct err *err);

/* Set io.max. 0, or -1 with err: ERR_NOT_FOUND without the io controller, else the device can't be limited. */
int cgroup_limit_io(const char *path, const struct cgroup_io *io, struct err *err);

/* The directory's descriptor for jail_plan.cgroup_fd; its st_ino is the cgroup's identity. Or -1 with err. */
int cgroup_open(const char *path, struct err *err);

/* SIGKILL to everything in it, now and while it forks (Linux 5.14). 0 (also when it is gone), or -1 with err. */
int cgroup_kill(const char *path, struct err *err);

/* Wait until nothing runs in it or below. 0 (also when it is gone), or -1 with err: ERR_TIMEOUT. */
int cgroup_wait_empty(const char *path, int timeout_ms, struct err *err);

/* Remove the leaf; waits up to timeout_ms while the kernel still says EBUSY. 0 (also when it is gone), or -1 with err. */
int cgroup_remove(const char *path, int timeout_ms, struct err *err);

/* How often the kernel killed for memory in it. 0 with *count, or -1 with err (ERR_NOT_FOUND without the controller). */
int cgroup_oom_kills(const char *path, uint64_t *count, struct err *err);

/* "cpu, memory" for a set of controllers; always terminated. Returns buf. */
const char *cgroup_names(uint32_t controllers, char *buf, size_t size);

#endif
