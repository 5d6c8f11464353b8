/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/reap_kill.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "jail/proc.h"

int reap_kill(const struct status_record *status, struct err *err)
{
	auto_fd pidfd =
		status->keeper_pid > 0 ? (int)syscall(SYS_pidfd_open, status->keeper_pid, 0) : -1;
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	int alive;

	if (pidfd < 0)
		return status->keeper_pid <= 0 || errno == ESRCH
			       ? 0
			       : err_sys(err, "can't open its keeper (pid %d)", status->keeper_pid);
	alive = proc_alive(status->keeper_pid, status->keeper_start, err);
	if (alive <= 0)
		return alive;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 ||
	    poll(&wait, 1, REAP_KILL_MS) <= 0)
		return err_set(err, ERR_FAILED, "its keeper (pid %d) can't be killed",
			       status->keeper_pid);
	return 0;
}
