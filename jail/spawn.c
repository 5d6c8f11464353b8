/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Theory of operation. Caller and child share a private socket pair, `sync`, that closes at exec:
 *
 *   caller                                     child (in its new namespaces, still without an identity)
 *   clone3 ───────────────────────────────────► waits for one byte
 *   writes gid_map, uid_map
 *   sends the byte ───────────────────────────► drops groups, becomes 0:0 of its namespace (= plan->uid outside)
 *                                               puts descriptors at their numbers, closes all others
 *   end of file: it runs ◄───────────────────── execveat
 *   struct failure: err says which step ◄────── … or any step failed
 *
 * The exec comes after the map: one before it would lose every capability in the new namespace, and the monitor needs
 * them to empty its own root. Groups are dropped by the child because the keeper's would stay with it otherwise; that
 * needs setgroups allowed, which the empty capability sets of the monitor take back for good.
 * The child is a copy of a single-threaded process; it makes plain system calls only.
 */
#include "jail/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "jail/proc.h"

#define TIMEOUT_MS 20000

/* The child's own descriptors while it arranges the plan's, above all numbers of a plan. */
#define FD_SYNC	   JAIL_SPAWN_MAX_FDS
#define FD_MONITOR (JAIL_SPAWN_MAX_FDS + 1)
#define FD_PARKING (JAIL_SPAWN_MAX_FDS + 2)

enum step {
	STEP_WAIT,
	STEP_SESSION,
	STEP_IDENTITY,
	STEP_SIGNALS,
	STEP_DESCRIPTORS,
	STEP_EXEC,
	STEPS,
};

static const char *const step_texts[STEPS] = {
	[STEP_WAIT] = "the keeper went away",
	[STEP_SESSION] = "can't start a session of its own",
	[STEP_IDENTITY] = "can't take its uid and drop its groups",
	[STEP_SIGNALS] = "can't unblock signals",
	[STEP_DESCRIPTORS] = "can't put its descriptors in place",
	[STEP_EXEC] = "can't execute the monitor (it has to be an ELF program that everybody may "
		      "execute, "
		      "on a file system mounted without noexec)",
};

struct failure {
	uint32_t step; /* enum step */
	int32_t os_errno;
};

struct spawning {
	const struct jail_plan *plan;
	int sync[2]; /* [0] the caller's end, [1] the child's */
	int null_fd;
};

static int wait_for_map(int sync)
{
	char go;

	return fd_read_all(sync, &go, 1);
}

static int take_identity(void)
{
	if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0)
		return -1;
	return 0;
}

static int reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

static const struct jail_fd *planned(const struct jail_plan *plan, int number)
{
	for (size_t i = 0; i < plan->n_fds; i++)
		if (plan->fds[i].number == number)
			return &plan->fds[i];
	return NULL;
}

/* Copies of everything go above all target numbers first, so that no target overwrites a source. */
static int arrange_descriptors(const struct spawning *sp)
{
	const struct jail_plan *plan = sp->plan;
	int parked[JAIL_SPAWN_MAX_FDS];
	int sync = fcntl(sp->sync[1], F_DUPFD, FD_PARKING);
	int monitor = fcntl(plan->monitor_fd, F_DUPFD, FD_PARKING);

	if (sync < 0 || monitor < 0)
		return -1;
	for (int n = 0; n < JAIL_SPAWN_MAX_FDS; n++) {
		const struct jail_fd *fd = planned(plan, n);

		parked[n] = -1;
		if (!fd && n > STDERR_FILENO)
			continue;
		parked[n] = fcntl(fd ? fd->fd : sp->null_fd, F_DUPFD, FD_PARKING);
		if (parked[n] < 0)
			return -1;
	}
	for (int n = 0; n < JAIL_SPAWN_MAX_FDS; n++) {
		if (parked[n] < 0)
			(void)close(n);
		else if (dup2(parked[n], n) < 0)
			return -1;
	}
	if (dup3(sync, FD_SYNC, O_CLOEXEC) < 0 || dup3(monitor, FD_MONITOR, O_CLOEXEC) < 0)
		return -1;
	return (int)syscall(SYS_close_range, FD_PARKING, ~0u, 0);
}

static int execute(const struct jail_plan *plan)
{
	char program[] = "mayfly-vmm";
	char name[128] = "";
	char *argv[] = { program, plan->name ? name : NULL, NULL };
	char *envp[] = { NULL };

	if (plan->name)
		strncpy(name, plan->name, sizeof(name) - 1);
	return (int)syscall(SYS_execveat, FD_MONITOR, "", argv, envp, AT_EMPTY_PATH);
}

static _Noreturn void run_child(const struct spawning *sp)
{
	struct failure failure = { .step = STEP_WAIT };
	int sync = sp->sync[1];

	(void)close(sp->sync[0]); /* or the keeper's death would never show */
	if (wait_for_map(sync) < 0)
		goto fail;
	failure.step = STEP_SESSION;
	if (setsid() < 0)
		goto fail;
	failure.step = STEP_IDENTITY;
	if (take_identity() < 0)
		goto fail;
	failure.step = STEP_SIGNALS;
	if (reset_signals() < 0)
		goto fail;
	failure.step = STEP_DESCRIPTORS;
	if (arrange_descriptors(sp) < 0)
		goto fail;
	sync = FD_SYNC;
	failure.step = STEP_EXEC;
	(void)execute(sp->plan);
fail:
	failure.os_errno = errno;
	(void)send(sync, &failure, sizeof(failure), MSG_NOSIGNAL);
	_exit(127);
}

static const char *clone_hint(int os_errno)
{
	switch (os_errno) {
	case ENOSPC:
		return "raise user.max_user_namespaces and its sisters (sysctl user) above 0";
	case EPERM:
		return "run the keeper as root, outside any chroot and any container that forbids "
		       "user namespaces";
	case EAGAIN:
		return "the keeper's own process limit (pids.max, RLIMIT_NPROC) is reached: raise "
		       "it";
	case EOPNOTSUPP:
	case EBUSY:
		return "the cgroup can't hold processes: its parent has to be one of `host up` or "
		       "a delegated unit";
	case EACCES:
	case ENODEV:
		return "the cgroup refuses new members: it is being removed or belongs to somebody "
		       "else";
	case ENOSYS:
	case EINVAL:
		return "Linux 5.9 or newer with user, pid, net, ipc and uts namespaces is needed";
	default:
		return "no mend is known";
	}
}

static pid_t clone_child(const struct jail_plan *plan, int *pidfd, struct err *err)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
			 CLONE_NEWUTS | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (plan->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)plan->cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0) {
		int cause = errno;

		(void)err_sys(err, "can't start the monitor in its own namespaces (%s)",
			      clone_hint(cause));
		err->os_errno = cause;
	}
	return (pid_t)pid;
}

static int write_map(pid_t pid, const char *file, uint32_t id, struct err *err)
{
	char path[64], text[32];
	auto_fd fd = -1;
	int len = snprintf(text, sizeof(text), "0 %u 1\n", id);

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, text, (size_t)len) < 0)
		return err_sys(
			err,
			"%s: the kernel refuses to map id %u (the keeper needs CAP_SETUID and "
			"CAP_SETGID in the initial user namespace)",
			path, id);
	return 0;
}

/* The child's end of the pair is closed here already, so end of file means: executed (or dead, which its channel shows). */
static int await_exec(int sync, struct err *err)
{
	struct pollfd pfd = { .fd = sync, .events = POLLIN };
	struct failure failure;
	ssize_t n;
	int ready;

	do {
		ready = poll(&pfd, 1, TIMEOUT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return err_set(err, ERR_TIMEOUT, "the monitor didn't start within %d s",
			       TIMEOUT_MS / 1000);
	n = recv(sync, &failure, sizeof(failure), 0);
	if (n == 0)
		return 0;
	if (n != sizeof(failure) || failure.step >= STEPS)
		return err_set(err, ERR_FAILED, "the monitor's start failed without a cause");
	errno = failure.os_errno;
	return err_sys(err, "%s", step_texts[failure.step]);
}

static int bring_up(struct spawning *sp, struct jail_child *child, struct err *err)
{
	if (proc_start_time(child->pid, &child->start_time, err) < 0 ||
	    write_map(child->pid, "gid_map", sp->plan->uid, err) < 0 ||
	    write_map(child->pid, "uid_map", sp->plan->uid, err) < 0)
		return -1;
	if (send(sp->sync[0], "", 1, MSG_NOSIGNAL) != 1)
		return err_sys(err, "the monitor died before it started");
	return await_exec(sp->sync[0], err);
}

static void put_down(struct jail_child *child)
{
	(void)syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd_close(&child->pidfd);
}

static void check_plan(const struct jail_plan *plan)
{
	BUG_ON(plan->uid == 0 || plan->n_fds > JAIL_SPAWN_MAX_FDS);
	for (size_t i = 0; i < plan->n_fds; i++)
		BUG_ON(plan->fds[i].number <= (i ? plan->fds[i - 1].number : STDERR_FILENO) ||
		       plan->fds[i].number >= JAIL_SPAWN_MAX_FDS);
}

int jail_spawn(const struct jail_plan *plan, struct jail_child *child, struct err *err)
{
	auto_fd mine = -1;
	auto_fd theirs = -1;
	auto_fd null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct spawning sp = { .plan = plan, .null_fd = null_fd };

	check_plan(plan);
	*child = (struct jail_child){ .pid = -1, .pidfd = -1 };
	if (null_fd < 0)
		return err_sys(err, "/dev/null");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp.sync) < 0)
		return err_sys(err, "can't make a socket pair");
	mine = sp.sync[0];
	theirs = sp.sync[1];
	child->pid = clone_child(plan, &child->pidfd, err);
	if (child->pid == 0)
		run_child(&sp);
	if (child->pid < 0)
		return -1;
	fd_close(&theirs);
	if (bring_up(&sp, child, err) < 0) {
		put_down(child);
		return -1;
	}
	return 0;
}
