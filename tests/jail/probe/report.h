/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_JAIL_PROBE_REPORT_H
#define TESTS_JAIL_PROBE_REPORT_H

#include <assert.h>
#include <stdint.h>

#include "jail/jail.h"

/*
 * What the probe finds, at the start of the console's ring (behind struct launch_ring); the test reads it there. Told
 * by a word on the kernel's command line what to do:
 *   probe=survey                         every number on each thread; then both threads sleep
 *   probe=THREAD:ABI:NR:ARG:VALUE        this one call, on this thread (ARG from 1, 0: all bad); then LAUNCH_MSG_END if it comes back
 */
#define PROBE_WORD    "probe="
#define PROBE_NUMBERS 1024 /* 0 …: far above the last call of any kernel of our time */
#define PROBE_RULES   32
/* Per rule with an argument: as the table says, the same with garbage above 32 bits, then each of 32 bits flipped. */
#define PROBE_VARIANTS 34

/*
 * Two calls that newer kernels (6.11, 6.18) let through before any filter looks, since their own breakpoints make them;
 * called from anywhere else they do nothing, or end the process by SIGILL. Debian 12's headers don't know them.
 */
#define PROBE_URETPROBE 335
#define PROBE_UPROBE	336

enum probe_abi {
	PROBE_NATIVE = 0, /* also x32: that is a bit of the number */
	PROBE_I386 = 1,	  /* int 0x80 */
};

enum probe_result {
	PROBE_NOT_TRIED =
		0, /* kills on the spot, ends the probe, or is what the probe itself lives on */
	PROBE_TRAPPED = 1,
	PROBE_PASSED = 2, /* the kernel got to see the call */
};

struct probe_thread {
	uint32_t done; /* 1: all of this thread's results are there */
	uint8_t numbers[PROBE_NUMBERS];
	uint8_t allowed[PROBE_RULES][PROBE_VARIANTS]; /* by index into seccomp_allowed */
	uint8_t harmless
		[PROBE_RULES]; /* by index into seccomp_killed: same call, argument that isn't killed */
};

struct probe_report {
	struct probe_thread threads[JAIL_THREADS];
};

static_assert(sizeof(struct probe_report) <= 16384, "fits into any console ring");

#endif
