/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "jail/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/proto/launch.h"
#include "jail/filters.h"

static const struct {
	const struct sock_filter *insns;
	unsigned short n;
} filters[JAIL_THREADS] = {
	[JAIL_THREAD_VCPU] = { filter_vcpu, ARRAY_SIZE(filter_vcpu) },
	[JAIL_THREAD_IO] = { filter_io, ARRAY_SIZE(filter_io) },
};

static __thread uint32_t own_kind = JAIL_THREADS;

/* Makes two calls, which both filters allow. One packet, written whole or not at all, so it never mixes with another. */
static void on_trap(int signo, siginfo_t *info, void *context)
{
	struct launch_msg msg = { .type = LAUNCH_MSG_TRAP };
	struct launch_trap trap = { .syscall = (uint32_t)info->si_syscall, .thread = own_kind };
	struct iovec parts[] = { { &msg, sizeof(msg) }, { &trap, sizeof(trap) } };

	(void)signo, (void)context;
	(void)syscall(SYS_writev, LAUNCH_FD_CHANNEL, parts, ARRAY_SIZE(parts));
	for (;;)
		(void)syscall(SYS_exit_group, JAIL_FILTER_EXIT_CODE);
}

int jail_filter_prepare(struct err *err)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	sigfillset(&action.sa_mask);
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return err_sys(err, "can't install the handler for forbidden calls");
	return 0;
}

int jail_filter_install(enum jail_thread kind, struct err *err)
{
	struct sock_fprog program;

	BUG_ON(kind >= JAIL_THREADS);
	program.len = filters[kind].n;
	program.filter =
		(struct sock_filter *)(uintptr_t)filters[kind].insns; /* the kernel only reads it */
	own_kind = kind;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, "can't install the seccomp filter");
	return 0;
}
