/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H

/*
 * The jail: what stands between a monitor that a guest has taken over and the host. Two halves:
 *
 * keeper's side, links into mayfly-keeper (may open /proc, may allocate):
 *   spawn.h   the process: namespaces, identity, descriptors at fixed numbers, exec
 *   cgroup.h  its cgroup: limits, kill, removal
 *   uids.h    is a range of uids free for sandboxes?
 *   proc.h    is a process still the one we started? does a uid still run anything?
 *
 * monitor's side, links into mayfly-vmm:
 *   enter.h   descriptors, limits, root, privileges, Landlock: given up once, in one order
 *   filter.h  one seccomp filter per thread, installed last
 *   seccomp_table.h  the table behind the filters; the build, the tests and the documentation read it
 */

/* Kinds of threads, one filter each. The I/O loop runs on the main thread. */
enum jail_thread {
	JAIL_THREAD_VCPU = 0,
	JAIL_THREAD_IO = 1,
	JAIL_THREADS,
};

#endif
