/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_ENTER_H
#define JAIL_ENTER_H

#include <stdint.h>

#include "base/err.h"
#include "base/proto/launch.h"

/*
 * The monitor's descent, in the process that jail_spawn started, before it makes a VM or a thread. Errors go to the
 * keeper as LAUNCH_MSG_FAILED by the caller.
 */
struct jail_limits {
	uint64_t file_bytes; /* RLIMIT_FSIZE: the largest of the disks */
	uint32_t n_threads;  /* threads the monitor will start, itself included */
	uint32_t n_fds;	     /* highest descriptor number it may ever hold, plus one */
};

enum jail_enter_flags {
	/* this kernel has no Landlock: the other walls stand without it */
	JAIL_ENTER_NO_LANDLOCK = 1u << 0,
	/* the filters alone keep it from making user namespaces */
	JAIL_ENTER_USER_NAMESPACES = 1u << 1,
};

/*
 * Descriptors: those that the record promises are there, at their numbers, of their type; all others from 3 on get
 * closed. 0, or -1 with err.
 */
int jail_enter_fds(const struct launch_record *record, struct err *err);

/*
 * All the rest, in order: signal dispositions, rlimits, empty root, capabilities, no_new_privs, death with the keeper,
 * Landlock. After it: no file can be named, no capability had or gained. *flags gets enum jail_enter_flags. 0, or -1
 * with err: the caller must exit. Calls jail_enter_fds's descriptors by number, so call that first.
 */
int jail_enter(const struct jail_limits *limits, uint32_t *flags, struct err *err);

#endif
