/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "guest-init/environment.h"

#define TTY_MODE 0620

static _Noreturn void fail(int code, const char *what)
{
	(void)dprintf(STDERR_FILENO, "%s: %s\n", what, err_errno_text(errno));
	_exit(code);
}

static _Noreturn void become_command(const struct command *command, bool tty)
{
	const char *name = command->user[0] != '\0' ? command->user : "root";
	struct passwd *pw = getpwnam(name);

	if (pw == NULL) {
		(void)dprintf(STDERR_FILENO, "%s: no such user\n", name);
		_exit(126);
	}
	/* the terminal is its user's, else tmux or a second ssh there can't open it by name */
	if (tty &&
	    (fchown(STDIN_FILENO, pw->pw_uid, (gid_t)-1) < 0 || fchmod(STDIN_FILENO, TTY_MODE) < 0))
		fail(126, "its terminal");
	if (initgroups(name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		fail(126, name);
	if (chdir(command->cwd[0] != '\0' ? command->cwd : pw->pw_dir) < 0)
		fail(126, command->cwd[0] != '\0' ? command->cwd : pw->pw_dir);
	environment_set(pw);
	for (size_t i = 0; command->envs[i] != NULL; i++)
		(void)putenv(command->envs[i]);
	(void)execvp(command->args[0], command->args);
	fail(errno == ENOENT ? 127 : 126, command->args[0]);
}

/* In the child: a session of its own, with these as its streams. */
static _Noreturn void child_main(const struct command *command, int in, int out, int err)
{
	bool tty = (command->flags & GUEST_EXEC_TTY) != 0;

	(void)setsid();
	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	if (tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		fail(126, "its terminal");
	become_command(command, tty);
}

static void watch(struct exec_child *child)
{
	const int fds[] = { child->in, child->out, child->err };

	child->pidfd = child->pid > 0 ? (int)syscall(SYS_pidfd_open, child->pid, 0) : -1;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
}

static int start_on_pipes(const struct command *command, struct exec_child *child)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return -1;
	child->pid = fork();
	if (child->pid == 0)
		child_main(command, in[0], out[1], err[1]);
	fd_close(&in[0]);
	fd_close(&out[1]);
	fd_close(&err[1]);
	child->in = in[1];
	child->out = out[0];
	child->err = err[0];
	return 0;
}

/* The slave is opened through the master (pty(7), TIOCGPTPEER): no path, so no /dev/pts of somebody else. */
static int start_on_terminal(const struct command *command, struct exec_child *child)
{
	auto_fd master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	auto_fd slave = -1;
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -1;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	child->in = fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (slave < 0 || child->in < 0)
		return -1;
	child->out = fd_take(&master);
	child->tty = true;
	exec_child_resize(child, &command->winsize);
	child->pid = fork();
	if (child->pid == 0)
		child_main(command, slave, slave, slave);
	return 0;
}

int exec_child_start(const struct command *command, struct exec_child *child)
{
	int rc;

	*child = (struct exec_child){ .pid = -1, .pidfd = -1, .in = -1, .out = -1, .err = -1 };
	rc = (command->flags & GUEST_EXEC_TTY) != 0 ? start_on_terminal(command, child)
						    : start_on_pipes(command, child);
	watch(child);
	return rc < 0 || child->pid < 0 || child->pidfd < 0 ? -1 : 0;
}

void exec_child_resize(const struct exec_child *child, const struct guest_winsize *size)
{
	const struct winsize ws = { .ws_row = size->rows, .ws_col = size->columns };

	if (child->tty && size->rows != 0 && size->columns != 0)
		(void)ioctl(child->out, TIOCSWINSZ, &ws);
}
