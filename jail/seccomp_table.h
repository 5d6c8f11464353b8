/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_SECCOMP_TABLE_H
#define JAIL_SECCOMP_TABLE_H

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
 * jail/gen/filtergen.c makes the filters and docs' list from it, tests/jail's probe holds a real monitor against it.
 *
 * musl decides some numbers: its poll functions other than ppoll, its read and write, have numbers of their own, which
 * the monitor doesn't use; abort, malloc, stdio and thread ends are not in the table because they must not happen.
 */
#define SECCOMP_VCPU (1u << JAIL_THREAD_VCPU)
#define SECCOMP_IO (1u << JAIL_THREAD_IO)
#define SECCOMP_BOTH (SECCOMP_VCPU | SECCOMP_IO)

#define SECCOMP_ANY (-1)	  /* arg: whatever the arguments */
#define SECCOMP_INT 0xffffffffull /* mask: the kernel reads 32 bits, and musl sign-extends ioctl's request into 64 */

struct seccomp_rule {
	int syscall;
	uint32_t threads; /* SECCOMP_VCPU, SECCOMP_IO */
	int arg;	  /* the rule holds when (argument & mask) == value; SECCOMP_ANY */
	uint64_t mask;
	uint64_t value;
	const char *why;
};

#define SECCOMP_MAX_VCPU 8
#define SECCOMP_MAX_IO 14
#define SECCOMP_MAX_UNION 18

static const struct seccomp_rule seccomp_allowed[] = {
	{ SYS_ioctl, SECCOMP_VCPU, 1, SECCOMP_INT, KVM_RUN, "run the guest" },
	{ SYS_ioctl, SECCOMP_VCPU, 1, SECCOMP_INT, KVM_GET_MP_STATE, "find a guest that has halted for good" },
	{ SYS_writev, SECCOMP_BOTH, SECCOMP_ANY, 0, 0,
	  "eventfds, tap frames, vsock streams, messages to the keeper" },
	{ SYS_futex, SECCOMP_BOTH, 1, SECCOMP_INT, FUTEX_WAIT_PRIVATE, "the one lock; a thread that is done waits for ever" },
	{ SYS_futex, SECCOMP_BOTH, 1, SECCOMP_INT, FUTEX_WAKE_PRIVATE, "the one lock" },
	{ SYS_rt_sigreturn, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "return from the signal that kicks a vCPU out of the guest" },
	{ SYS_exit_group, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "the end" },
	{ SYS_ppoll, SECCOMP_IO, SECCOMP_ANY, 0, 0, "the event loop" },
	{ SYS_readv, SECCOMP_IO, SECCOMP_ANY, 0, 0, "eventfds, timers, tap frames, vsock streams, /dev/urandom" },
	{ SYS_preadv, SECCOMP_IO, SECCOMP_ANY, 0, 0, "read from a disk" },
	{ SYS_pwritev, SECCOMP_IO, SECCOMP_ANY, 0, 0, "write to a disk" },
	{ SYS_fdatasync, SECCOMP_IO, SECCOMP_ANY, 0, 0, "flush a disk" },
	{ SYS_recvmsg, SECCOMP_IO, SECCOMP_ANY, 0, 0, "messages and descriptors from the keeper" },
	{ SYS_shutdown, SECCOMP_IO, SECCOMP_ANY, 0, 0, "half-close a vsock stream" },
	{ SYS_close, SECCOMP_IO, SECCOMP_ANY, 0, 0, "end a vsock stream" },
};

/* Calls that no bug of ours makes by accident: killed at once, without the chance of a handler. Both threads. */
static const struct seccomp_rule seccomp_killed[] = {
	{ SYS_execve, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "run a program" },
	{ SYS_execveat, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "run a program" },
	{ SYS_open, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "name a file" },
	{ SYS_openat, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "name a file" },
	{ SYS_openat2, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "name a file" },
	{ SYS_creat, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "name a file" },
	{ SYS_open_by_handle_at, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "reach a file" },
	{ SYS_socket, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "reach a network" },
	{ SYS_connect, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "reach a network" },
	{ SYS_ptrace, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "take over a process" },
	{ SYS_process_vm_writev, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "take over a process" },
	{ SYS_fork, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "make a process" },
	{ SYS_vfork, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "make a process" },
	{ SYS_clone, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "make a process or thread" },
	{ SYS_clone3, SECCOMP_BOTH, SECCOMP_ANY, 0, 0, "make a process or thread" },
	{ SYS_mmap, SECCOMP_BOTH, 2, PROT_EXEC, PROT_EXEC, "bring code of its own" },
	{ SYS_mprotect, SECCOMP_BOTH, 2, PROT_EXEC, PROT_EXEC, "bring code of its own" },
	{ SYS_pkey_mprotect, SECCOMP_BOTH, 2, PROT_EXEC, PROT_EXEC, "bring code of its own" },
};

#endif
