/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * One command for the host.
 *
 * Theory of operation: this process sits between the connection (frames) and the command's streams (bytes): three pipes,
 * or one terminal. What came for the command's stdin is held in one buffer; while it is not empty, no further frame is
 * read, so a command that doesn't read its input slows the host down instead of filling memory, and a command that
 * writes much while it is fed much can't lock up. After the command's exit, what its streams still hold is sent, then
 * the exit code.
 */
#include "guest-init/exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "guest-init/command.h"
#include "guest-init/exec_child.h"
#include "guest-init/frame.h"

#define EXEC_CHUNK   16384
#define EXEC_TTY_MAX 65536 /* a terminal holds less */

struct relay {
	int connection;
	struct exec_child child;
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

/* Bytes of one of the command's streams to the host. False when the host is gone. */
static bool forward_output(struct relay *relay, int *fd, uint32_t type)
{
	char bytes[EXEC_CHUNK];
	ssize_t n = read(*fd, bytes, sizeof(bytes));

	if (n > 0)
		return frame_send(relay->connection, type, bytes, (uint32_t)n) == 0;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(fd); /* a terminal that nobody has open any more says EIO */
	return true;
}

static void feed_command(struct relay *relay)
{
	ssize_t n = write(relay->child.in, relay->pending + relay->pending_at,
			  relay->pending_len - relay->pending_at);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		fd_close(&relay->child.in); /* it doesn't read any more: what comes is dropped */
	relay->pending_at += n < 0 ? relay->pending_len - relay->pending_at : (uint32_t)n;
	if (relay->pending_at == relay->pending_len)
		relay->pending_at = relay->pending_len = 0;
}

/* Bytes for stdin lie in `pending`; on a terminal the end of a file is a character. */
static void take_stdin(struct relay *relay, uint32_t len)
{
	if (len == 0 && relay->child.tty)
		relay->pending[len++] = '\4';
	else if (len == 0)
		fd_close(&relay->child.in);
	relay->pending_at = 0;
	relay->pending_len = relay->child.in >= 0 ? len : 0;
}

static bool take_winsize(const struct relay *relay, uint32_t len)
{
	struct guest_winsize size;

	if (len != sizeof(size))
		return false;
	memcpy(&size, relay->pending, sizeof(size));
	exec_child_resize(&relay->child, &size);
	return true;
}

/* To its process group: what a shell's script has started hears it too, as from a terminal. */
static bool take_signal(const struct relay *relay, uint32_t len)
{
	struct guest_signal signal;

	if (len != sizeof(signal))
		return false;
	memcpy(&signal, relay->pending, sizeof(signal));
	if (signal.signal == 0 || signal.signal >= (uint32_t)NSIG)
		return false;
	(void)kill(-relay->child.pid, (int)signal.signal);
	return true;
}

static bool take_frame(struct relay *relay)
{
	struct guest_frame frame;

	if (frame_receive(relay->connection, &frame, relay->pending, sizeof(relay->pending)) < 0)
		return false;
	switch (frame.type) {
	case GUEST_EXEC_STDIN:
		take_stdin(relay, frame.len);
		return true;
	case GUEST_EXEC_WINSIZE:
		return take_winsize(relay, frame.len);
	case GUEST_EXEC_SIGNAL:
		return take_signal(relay, frame.len);
	default:
		return false;
	}
}

/* True when the command has exited, false when the host has hung up. */
static bool relay_until_exit(struct relay *relay)
{
	struct exec_child *child = &relay->child;

	for (;;) {
		bool feeding = relay->pending_len > 0;
		struct pollfd fds[] = {
			{ .fd = relay->connection, .events = feeding ? POLLRDHUP : POLLIN },
			{ .fd = feeding ? child->in : -1, .events = POLLOUT },
			{ .fd = child->out, .events = POLLIN },
			{ .fd = child->err, .events = POLLIN },
			{ .fd = child->pidfd, .events = POLLIN },
		};

		if (poll(fds, 5, -1) < 0 && errno != EINTR)
			return false;
		if (fds[0].revents != 0 && (feeding || !take_frame(relay)))
			return false;
		if (fds[1].revents != 0)
			feed_command(relay);
		if (fds[2].revents != 0 && !forward_output(relay, &child->out, GUEST_EXEC_STDOUT))
			return false;
		if (fds[3].revents != 0 && !forward_output(relay, &child->err, GUEST_EXEC_STDERR))
			return false;
		if ((fds[4].revents & POLLIN) != 0)
			return true;
	}
}

/* What the pipe holds now; a background process that keeps it open, or goes on writing, isn't waited for. A terminal
 * doesn't know how much it holds: it is read until it has nothing. */
static void drain(struct relay *relay, int *fd, uint32_t type)
{
	struct pollfd ready = { .fd = *fd, .events = POLLIN };
	int left = relay->child.tty ? EXEC_TTY_MAX : 0;

	if (*fd >= 0 && !relay->child.tty)
		(void)ioctl(*fd, FIONREAD, &left);
	for (; left > 0 && *fd >= 0 && poll(&ready, 1, 0) > 0; left -= EXEC_CHUNK) {
		if (!forward_output(relay, fd, type))
			return;
	}
}

_Noreturn void exec_serve(int connection)
{
	static struct command command;
	static struct relay relay;
	struct guest_exit result = { .code = 126 };
	pid_t pid;
	int status;
	bool runs;

	(void)signal(SIGPIPE, SIG_IGN);
	relay.connection = connection;
	if (!receive_start(connection, &command))
		_exit(1);
	runs = exec_child_start(&command, &relay.child) == 0;
	pid = relay.child.pid;
	if (runs && !relay_until_exit(&relay)) {
		(void)kill(-pid, SIGHUP);
		(void)kill(-pid, SIGKILL);
		_exit(1);
	}
	if (runs && waitpid(pid, &status, 0) == pid)
		result.code = WIFSIGNALED(status) ? 128u + (uint32_t)WTERMSIG(status)
						  : (uint32_t)WEXITSTATUS(status);
	drain(&relay, &relay.child.out, GUEST_EXEC_STDOUT);
	drain(&relay, &relay.child.err, GUEST_EXEC_STDERR);
	(void)frame_send(connection, GUEST_EXEC_EXIT, &result, sizeof(result));
	_exit(0);
}
