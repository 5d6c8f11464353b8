/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_SECCOMP_TABLE_H
#define JAIL_SECCOMP_TABLE_H

#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "jail/jail.h"

/*
 * The table: every system call that a thread of the monitor may make once its filter is on, and why. What isn't here
 * raises SIGSYS (and ends the monitor with a message); a call that only an attacker makes is in the second table and
 * kills the process on the spot, as does a call of another architecture (i386, x32).
 * jail/gen/filtergen.c makes the filters from it (and prints it, --markdown), tests/jail's probe holds a real monitor against it.
 *
 * musl decides some numbers: its poll functions other than ppoll, its read and write, have numbers of their own, which
 * the monitor doesn't use; abort, malloc, stdio and thread ends are not in the table because they must not happen.
 */
#define ON_VCPU (1u << JAIL_THREAD_VCPU)
#define ON_IO	(1u << JAIL_THREAD_IO)
#define ON_BOTH (ON_VCPU | ON_IO)

#define ARG_ANY (-1) /* arg: whatever the arguments */
#define ARG_INT                                                                                    \
	0xffffffffull /* mask: the kernel reads 32 bits, and musl sign-extends ioctl's request into 64 */

struct seccomp_rule {
	int syscall;
	uint32_t threads; /* ON_VCPU, ON_IO */
	int arg;	  /* the rule holds when (argument & mask) == value; ARG_ANY */
	uint64_t mask;
	uint64_t value;
	const char *why;
};

#define SECCOMP_MAX_VCPU  8
#define SECCOMP_MAX_IO	  14
#define SECCOMP_MAX_UNION 18

static const struct seccomp_rule seccomp_allowed[] = {
	{ SYS_ioctl, ON_VCPU, 1, ARG_INT, KVM_RUN, "run the guest" },
	{ SYS_ioctl, ON_VCPU, 1, ARG_INT, KVM_GET_MP_STATE,
	  "find a guest that has halted for good" },
	{ SYS_writev, ON_BOTH, ARG_ANY, 0, 0,
	  "eventfds, tap frames, vsock streams, messages to the keeper" },
	{ SYS_futex, ON_BOTH, 1, ARG_INT, FUTEX_WAIT_PRIVATE,
	  "the one lock; a thread that is done waits for ever" },
	{ SYS_futex, ON_BOTH, 1, ARG_INT, FUTEX_WAKE_PRIVATE, "the one lock" },
	{ SYS_rt_sigreturn, ON_BOTH, ARG_ANY, 0, 0,
	  "return from the signal that kicks a vCPU out of the guest" },
	{ SYS_exit_group, ON_BOTH, ARG_ANY, 0, 0, "the end" },
	{ SYS_ppoll, ON_IO, ARG_ANY, 0, 0, "the event loop" },
	{ SYS_readv, ON_IO, ARG_ANY, 0, 0,
	  "eventfds, timers, tap frames, vsock streams, /dev/urandom" },
	{ SYS_preadv, ON_IO, ARG_ANY, 0, 0, "read from a disk" },
	{ SYS_pwritev, ON_IO, ARG_ANY, 0, 0, "write to a disk" },
	{ SYS_fdatasync, ON_IO, ARG_ANY, 0, 0, "flush a disk" },
	{ SYS_fallocate, ON_IO, 1, ARG_INT, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
	  "discard, write zeroes: a hole in a disk's file" },
	{ SYS_madvise, ON_IO, 2, ARG_INT, MADV_DONTNEED,
	  "give back what the guest's balloon has or doesn't use" },
	{ SYS_recvmsg, ON_IO, ARG_ANY, 0, 0, "messages and descriptors from the keeper" },
	{ SYS_shutdown, ON_IO, ARG_ANY, 0, 0, "half-close a vsock stream" },
	{ SYS_close, ON_IO, ARG_ANY, 0, 0, "end a vsock stream" },
};

/* Calls that no bug of ours makes by accident: killed at once, without the chance of a handler. Both threads. */
static const struct seccomp_rule seccomp_killed[] = {
	{ SYS_execve, ON_BOTH, ARG_ANY, 0, 0, "run a program" },
	{ SYS_execveat, ON_BOTH, ARG_ANY, 0, 0, "run a program" },
	{ SYS_open, ON_BOTH, ARG_ANY, 0, 0, "name a file" },
	{ SYS_openat, ON_BOTH, ARG_ANY, 0, 0, "name a file" },
	{ SYS_openat2, ON_BOTH, ARG_ANY, 0, 0, "name a file" },
	{ SYS_creat, ON_BOTH, ARG_ANY, 0, 0, "name a file" },
	{ SYS_open_by_handle_at, ON_BOTH, ARG_ANY, 0, 0, "reach a file" },
	{ SYS_socket, ON_BOTH, ARG_ANY, 0, 0, "reach a network" },
	{ SYS_connect, ON_BOTH, ARG_ANY, 0, 0, "reach a network" },
	{ SYS_ptrace, ON_BOTH, ARG_ANY, 0, 0, "take over a process" },
	{ SYS_process_vm_writev, ON_BOTH, ARG_ANY, 0, 0, "take over a process" },
	{ SYS_fork, ON_BOTH, ARG_ANY, 0, 0, "make a process" },
	{ SYS_vfork, ON_BOTH, ARG_ANY, 0, 0, "make a process" },
	{ SYS_clone, ON_BOTH, ARG_ANY, 0, 0, "make a process or thread" },
	{ SYS_clone3, ON_BOTH, ARG_ANY, 0, 0, "make a process or thread" },
	{ SYS_mmap, ON_BOTH, 2, PROT_EXEC, PROT_EXEC, "bring code of its own" },
	{ SYS_mprotect, ON_BOTH, 2, PROT_EXEC, PROT_EXEC, "bring code of its own" },
	{ SYS_pkey_mprotect, ON_BOTH, 2, PROT_EXEC, PROT_EXEC, "bring code of its own" },
};

#endif
