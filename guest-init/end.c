/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/end.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest-init/control.h"
#include "guest-init/say.h"

#define END_POLL_MS 20u

/* Reap until nobody is left; orphans become our children, so "no child" means "no process". */
static bool wait_for_all(unsigned int limit_ms)
{
	const struct timespec nap = { .tv_nsec = END_POLL_MS * 1000000L };

	for (unsigned int waited = 0;; waited += END_POLL_MS) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return true;
		if (waited >= limit_ms)
			return false;
		(void)nanosleep(&nap, NULL);
	}
}

_Noreturn void end_machine(int control_fd, enum guest_end_reason reason, unsigned int grace_s,
			   const char *text)
{
	say("ending: %s", text);
	(void)kill(-1, SIGTERM);
	if (!wait_for_all(grace_s * 1000)) {
		(void)kill(-1, SIGKILL);
		(void)wait_for_all(2000);
	}
	sync();
	if (control_fd >= 0)
		control_end(control_fd, reason, text);
	(void)reboot(RB_AUTOBOOT);
	__builtin_trap(); /* PID 1 dying is a panic, and a panic resets */
}
