/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/hook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/keeper.h"
#include "keeper/privileges.h"
#include "store/journal.h"

#define HOOK_TICK_MS 20
#define HOOK_LATE_S  2	 /* a watcher's own few lines, on a busy host */
#define HOOK_PASSES  500 /* over what it has left running: each kills a generation */

int hook_check(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0100))
		return err_set(err, ERR_FAILED, "%s: not a program" ERR_MEND "chmod 755 it", path);
	if (st.st_uid != 0 || (st.st_mode & 022))
		return err_set(err, ERR_FAILED,
			       "%s: not root's alone to write" ERR_MEND
			       "chown root and chmod go-w it",
			       path);
	return 0;
}

/* ---- the watcher ---- */

static uint64_t hook_now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void hook_nap(void)
{
	const struct timespec nap = { .tv_nsec = HOOK_TICK_MS * 1000000L };

	(void)nanosleep(&nap, NULL);
}

/* Parent of process pid; 0 when it has gone. */
static pid_t hook_parent(const char *pid)
{
	char path[32], text[512] = "";
	struct err ignored;
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%.10s/stat", pid);
	if (fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &ignored) < 0)
		return 0;
	at = strrchr(text, ')'); /* "PID (NAME) STATE PPID" */
	return at && strlen(at) > 4 ? (pid_t)strtol(at + 4, NULL, 10) : 0;
}

/* Children of ours are nobody else's until we have waited for them: their numbers can't be reused meanwhile. */
static void hook_kill_children(void)
{
	DIR *stream = opendir("/proc");
	struct dirent *d;

	while (stream && (d = readdir(stream)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    hook_parent(d->d_name) == getpid())
			(void)kill((pid_t)strtol(d->d_name, NULL, 10), SIGKILL);
	if (stream)
		(void)closedir(stream);
}

/* No child is left, nor one of theirs: orphans become ours. */
static bool hook_all_gone(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid < 0 && errno == ECHILD;
}

static int hook_code(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

static int hook_wait(pid_t pid, uint32_t timeout_s)
{
	uint64_t end = hook_now_ms() + (uint64_t)timeout_s * 1000, now;
	auto_fd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	siginfo_t info = { 0 };
	int code;

	if (pidfd < 0)
		return 126;
	while ((now = hook_now_ms()) < end && poll(&ended, 1, (int)(end - now)) <= 0)
		;
	code = ended.revents ? 0 : HOOK_TIMED_OUT;
	if (code)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 && code == 0)
		code = hook_code(&info);
	while (!hook_all_gone() && hook_now_ms() < end) /* what it does in the background */
		hook_nap();
	for (int i = 0; i < HOOK_PASSES && !hook_all_gone(); i++) {
		hook_kill_children();
		hook_nap();
	}
	return code;
}

static _Noreturn void hook_become(const char *path)
{
	static char path_env[] =
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *const env[] = { path_env, NULL };

	(void)setsid();
	(void)execle(path, path, (char *)NULL, env);
	_exit(errno == ENOENT ? 127 : 126);
}

static void hook_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void hook_watch(const struct hook_call *call, int message, pid_t caller)
{
	int null, code = 126;
	pid_t pid;

	if (dup2(message, 0) < 0 || syscall(SYS_close_range, 3, ~0u, 0) < 0)
		_exit(126);
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(126);
	(void)close(null);
	(void)setsid();
	(void)!chdir("/");
	(void)umask(022);
	hook_signals();
	(void)prctl(PR_SET_NAME, "mayfly-hook");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || privileges_none() < 0)
		_exit(126);
	pid = fork();
	if (pid == 0)
		hook_become(call->path);
	if (pid > 0)
		code = hook_wait(pid, call->timeout_s);
	if (code && getppid() != caller) {
		openlog("mayfly-keeper", LOG_PID, LOG_DAEMON);
		syslog(LOG_WARNING, "%s: the hook's exit code for \"%s\" is %d", call->name,
		       call->event, code);
	}
	_exit(code);
}

/* ---- who starts it ---- */

/* A file and not a pipe: nobody waits for a hook that doesn't read. Above the numbers that are replaced. */
static int hook_message(const char *message, size_t len, struct err *err)
{
	auto_fd fd = memfd_create("mayfly-hook", MFD_CLOEXEC);
	int high;

	if (fd < 0 || fd_write_all(fd, message, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "can't make the hook's message");
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return high < 0 ? err_sys(err, "can't make the hook's message") : high;
}

int hook_start(const struct hook_call *call, const char *message, size_t len, struct err *err)
{
	auto_fd input = -1;
	pid_t pid, self = getpid();
	int pidfd;

	if (hook_check(call->path, err) < 0)
		return -1;
	input = hook_message(message, len, err);
	if (input < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_sys(err, "can't fork");
	if (pid == 0)
		hook_watch(call, input, self);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pidfd < 0 ? err_sys(err, "can't watch the hook") : pidfd;
}

void hook_init(struct hooks *hooks)
{
	for (size_t i = 0; i < HOOK_MAX; i++)
		hooks->slots[i].pidfd = -1;
}

static void hook_failed(struct keeper *k, const char *event, const char *text)
{
	struct err ignored;

	log_warning("%s: hook: %s: %s", k->spec.name, event, text);
	(void)journal_event(k->journal_fd, &ignored, "hook %s failed: %s", event, text);
}

void hook_keep(struct keeper *k, const struct hook_call *call, const char *message, size_t len)
{
	struct hook_slot *slot = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < HOOK_MAX && !slot; i++)
		if (k->hooks.slots[i].pidfd < 0)
			slot = &k->hooks.slots[i];
	if (!slot) {
		hook_failed(k, call->event, "too many of them run already");
		return;
	}
	slot->pidfd = hook_start(call, message, len, &err);
	if (slot->pidfd < 0)
		hook_failed(k, call->event, err.text);
	(void)str_copy(slot->event, sizeof(slot->event), call->event);
}

void hook_poll(const struct hooks *hooks, struct pollfd fds[HOOK_POLL_FDS])
{
	for (size_t i = 0; i < HOOK_MAX; i++)
		fds[i] = (struct pollfd){ .fd = hooks->slots[i].pidfd, .events = POLLIN };
}

static void hook_ended(struct keeper *k, const char *event, int code)
{
	char text[64];
	struct err ignored;

	if (code == 0) {
		log_note("hook: %s: done", event);
		(void)journal_event(k->journal_fd, &ignored, "hook %s exit=0", event);
		return;
	}
	if (code == HOOK_TIMED_OUT)
		(void)snprintf(text, sizeof(text), "ended after %u s", k->spec.host.hook_timeout_s);
	else
		(void)snprintf(text, sizeof(text), "exit code %d", code);
	hook_failed(k, event, text);
}

void hook_handle(struct keeper *k, const struct pollfd fds[HOOK_POLL_FDS])
{
	for (size_t i = 0; i < HOOK_MAX; i++) {
		struct hook_slot *slot = &k->hooks.slots[i];
		siginfo_t info = { 0 };

		if (!fds[i].revents || slot->pidfd != fds[i].fd ||
		    waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED | WNOHANG) < 0 ||
		    info.si_pid == 0)
			continue;
		fd_close(&slot->pidfd);
		hook_ended(k, slot->event, hook_code(&info));
	}
}

void hook_finish(struct keeper *k)
{
	uint64_t end = hook_now_ms() + (k->spec.host.hook_timeout_s + HOOK_LATE_S) * 1000ull;
	struct pollfd fds[HOOK_POLL_FDS];

	if (!(k->spec.flags & SPEC_IN_UNIT))
		return;
	for (;;) {
		uint64_t now = hook_now_ms();
		bool any = false;

		hook_poll(&k->hooks, fds);
		for (size_t i = 0; i < HOOK_MAX; i++)
			any |= fds[i].fd >= 0;
		if (!any || now >= end ||
		    (poll(fds, HOOK_POLL_FDS, (int)(end - now)) < 0 && errno != EINTR))
			return;
		hook_handle(k, fds);
	}
}
