/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_SPAWN_H
#define JAIL_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* One descriptor of the child: `fd` here is `number` there (enum launch_fd). */
struct jail_fd {
	int number;
	int fd;
};

#define JAIL_SPAWN_MAX_FDS 32

struct jail_plan {
	uint32_t
		uid; /* the child's uid and gid on the host; inside it is 0, and nothing else is mapped */
	int monitor_fd;	  /* the program: O_PATH or O_RDONLY, O_CLOEXEC */
	int cgroup_fd;	  /* directory of the cgroup it starts in, -1: stays in the caller's */
	const char *name; /* argv[1], for people who read ps; NULL: none */
	const struct jail_fd
		*fds; /* numbers ascending from 3, each below JAIL_SPAWN_MAX_FDS; borrowed */
	size_t n_fds;
};

struct jail_child {
	pid_t pid;	     /* as the caller sees it */
	int pidfd;	     /* owned by the caller, O_CLOEXEC */
	uint64_t start_time; /* proc_start_time: with pid it names this process for good */
};

/*
 * Start the monitor in new user, mount, pid, net, ipc and uts namespaces, as plan->uid without supplementary groups, in
 * a session of its own, in the cgroup from its first instruction on, with plan's descriptors, /dev/null on 0, 1, 2, no
 * other descriptor, no signal blocked and an empty environment. Full capabilities are needed, in the initial user
 * namespace. Returns when the program has been executed, or -1 with err: then the failed step is named (the child's too)
 * and no child is left. Never waits longer than 10 s. Single-threaded callers only.
 */
int jail_spawn(const struct jail_plan *plan, struct jail_child *child, struct err *err);

#endif
