/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * One command for the host, without a terminal.
 *
 * Theory of operation: this process sits between the connection (frames) and three pipes (bytes). What came for the
 * command's stdin is held in one buffer; while it is not empty, no further frame is read, so a command that doesn't
 * read its input slows the host down instead of filling memory, and a command that writes much while it is fed much
 * can't lock up. After the command's exit, what its pipes still hold is sent, then the exit code.
 */
#include "guest-init/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "guest-init/command.h"
#include "guest-init/frame.h"

#define EXEC_CHUNK 16384

struct relay {
	int connection;
	int in, out, err; /* our ends of the pipes */
	int pidfd;
	char pending[GUEST_FRAME_MAX]; /* for the command's stdin */
	uint32_t pending_at, pending_len;
};

static char exec_start[GUEST_FRAME_MAX];

static bool receive_start(int connection, struct command *command)
{
	struct guest_frame frame;

	return frame_receive(connection, &frame, exec_start, sizeof(exec_start)) == 0 &&
	       frame.type == GUEST_EXEC_START && command_parse(exec_start, frame.len, command);
}

static _Noreturn void fail(int code, const char *what)
{
	(void)dprintf(STDERR_FILENO, "%s: %s\n", what, err_errno_text(errno));
	_exit(code);
}

static void set_environment(const struct passwd *pw, char *const *envs)
{
	(void)clearenv();
	(void)setenv("HOME", pw->pw_dir, 1);
	(void)setenv("USER", pw->pw_name, 1);
	(void)setenv("LOGNAME", pw->pw_name, 1);
	(void)setenv("SHELL", pw->pw_shell, 1);
	(void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	for (size_t i = 0; envs[i] != NULL; i++)
		(void)putenv(envs[i]);
}

static _Noreturn void become_command(const struct command *command)
{
	const char *name = command->user[0] != '\0' ? command->user : "root";
	struct passwd *pw = getpwnam(name);

	if (pw == NULL) {
		(void)dprintf(STDERR_FILENO, "%s: no such user\n", name);
		_exit(126);
	}
	if (initgroups(name, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		fail(126, name);
	if (chdir(command->cwd[0] != '\0' ? command->cwd : pw->pw_dir) < 0)
		fail(126, command->cwd[0] != '\0' ? command->cwd : pw->pw_dir);
	set_environment(pw, command->envs);
	(void)execvp(command->args[0], command->args);
	fail(errno == ENOENT ? 127 : 126, command->args[0]);
}

static pid_t start(const struct command *command, struct relay *relay)
{
	int in[2], out[2], err[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		(void)signal(SIGPIPE, SIG_DFL);
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
			_exit(126);
		become_command(command);
	}
	fd_close(&in[0]);
	fd_close(&out[1]);
	fd_close(&err[1]);
	relay->in = in[1];
	relay->out = out[0];
	relay->err = err[0];
	relay->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	(void)fcntl(relay->in, F_SETFL, O_NONBLOCK);
	(void)fcntl(relay->out, F_SETFL, O_NONBLOCK);
	(void)fcntl(relay->err, F_SETFL, O_NONBLOCK);
	return pid;
}

/* Bytes of one of the command's streams to the host. False when the host is gone. */
static bool forward_output(struct relay *relay, int *fd, uint32_t type)
{
	char bytes[EXEC_CHUNK];
	ssize_t n = read(*fd, bytes, sizeof(bytes));

	if (n > 0)
		return frame_send(relay->connection, type, bytes, (uint32_t)n) == 0;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(fd);
	return true;
}

static void feed_command(struct relay *relay)
{
	ssize_t n = write(relay->in, relay->pending + relay->pending_at,
			  relay->pending_len - relay->pending_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		fd_close(&relay->in); /* it doesn't read any more: what comes is dropped */
	relay->pending_at += n < 0 ? relay->pending_len - relay->pending_at : (uint32_t)n;
	if (relay->pending_at == relay->pending_len)
		relay->pending_at = relay->pending_len = 0;
}

static bool take_input(struct relay *relay)
{
	struct guest_frame frame;

	if (frame_receive(relay->connection, &frame, relay->pending, sizeof(relay->pending)) < 0 ||
	    frame.type != GUEST_EXEC_STDIN)
		return false;
	if (frame.len == 0)
		fd_close(&relay->in);
	relay->pending_at = 0;
	relay->pending_len = relay->in >= 0 ? frame.len : 0;
	return true;
}

/* True when the command has exited, false when the host has hung up. */
static bool relay_until_exit(struct relay *relay)
{
	for (;;) {
		bool feeding = relay->pending_len > 0;
		struct pollfd fds[] = {
			{ .fd = relay->connection, .events = feeding ? POLLRDHUP : POLLIN },
			{ .fd = feeding ? relay->in : -1, .events = POLLOUT },
			{ .fd = relay->out, .events = POLLIN },
			{ .fd = relay->err, .events = POLLIN },
			{ .fd = relay->pidfd, .events = POLLIN },
		};

		if (poll(fds, 5, -1) < 0 && errno != EINTR)
			return false;
		if (fds[0].revents != 0 && (feeding || !take_input(relay)))
			return false;
		if (fds[1].revents != 0)
			feed_command(relay);
		if (fds[2].revents != 0 && !forward_output(relay, &relay->out, GUEST_EXEC_STDOUT))
			return false;
		if (fds[3].revents != 0 && !forward_output(relay, &relay->err, GUEST_EXEC_STDERR))
			return false;
		if ((fds[4].revents & POLLIN) != 0)
			return true;
	}
}

/* What the pipe holds now; a background process that keeps it open, or goes on writing, isn't waited for. */
static void drain(struct relay *relay, int *fd, uint32_t type)
{
	int left = 0;

	if (*fd >= 0)
		(void)ioctl(*fd, FIONREAD, &left);
	for (; left > 0 && *fd >= 0; left -= EXEC_CHUNK) {
		if (!forward_output(relay, fd, type))
			return;
	}
}

_Noreturn void exec_serve(int connection)
{
	static struct command command;
	static struct relay relay;
	struct guest_exit result = { .code = 126 };
	int status;
	pid_t pid;

	(void)signal(SIGPIPE, SIG_IGN);
	relay.connection = connection;
	if (!receive_start(connection, &command))
		_exit(1);
	pid = start(&command, &relay);
	if (pid > 0 && !relay_until_exit(&relay)) {
		(void)kill(-pid, SIGHUP);
		(void)kill(-pid, SIGKILL);
		_exit(1);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		result.code = WIFSIGNALED(status) ? 128u + (uint32_t)WTERMSIG(status)
						  : (uint32_t)WEXITSTATUS(status);
	drain(&relay, &relay.out, GUEST_EXEC_STDOUT);
	drain(&relay, &relay.err, GUEST_EXEC_STDERR);
	(void)frame_send(connection, GUEST_EXEC_EXIT, &result, sizeof(result));
	_exit(0);
}
