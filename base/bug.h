/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_BUG_H
#define BASE_BUG_H

/*
 * BUG_ON(x): x can't be true unless this program is wrong. Always compiled in; x has no side effect.
 * Traps (SIGILL) instead of aborting: abort()'s own system calls would look like a seccomp hit in the monitor.
 * Never for what a guest, an operator or the host's kernel can cause.
 */
#define BUG_ON(x)                                                                                  \
	do {                                                                                       \
		if (__builtin_expect(!!(x), 0))                                                    \
			__builtin_trap();                                                          \
	} while (0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
