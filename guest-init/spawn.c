/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/spawn.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPAWN_KEPT_FD 3

pid_t spawn_fork(int *keep)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (keep && *keep != SPAWN_KEPT_FD && dup3(*keep, SPAWN_KEPT_FD, O_CLOEXEC) < 0)
		_exit(126);
	if (keep)
		*keep = SPAWN_KEPT_FD;
	if (syscall(SYS_close_range, SPAWN_KEPT_FD + (keep != NULL), ~0u, 0) < 0)
		_exit(126);
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0) < 0)
		_exit(126);
	return 0;
}
