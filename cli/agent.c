/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * One loop, two buffers. What goes to the guest waits in `to`; while it is not empty nothing more
 * is read from stdin, so that a guest that doesn't read can't fill memory, and one that writes
 * while we write can't lock both up. What comes from the guest is collected in `from` until a frame
 * is whole, then written out.
 */
#include "cli/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/terminal.h"

#define STDIN_CHUNK    16384
#define URGENT_SIGNALS 3

struct agent {
	int stream;
	struct agent_streams streams;
	size_t to_at, to_len, from_len;
	bool resized; /* the guest has not been told yet */
	uint64_t err_len;
	time_t signalled_s[URGENT_SIGNALS]; /* when the last ones were passed */
	uint8_t to[sizeof(struct guest_frame) + GUEST_FRAME_MAX];
	uint8_t from[sizeof(struct guest_frame) + GUEST_FRAME_MAX];
};

static bool put(struct agent *agent, const void *bytes, size_t len)
{
	if (len > sizeof(agent->to) - agent->to_len)
		return false;
	memcpy(agent->to + agent->to_len, bytes, len);
	agent->to_len += len;
	return true;
}

static uint32_t count(const char *const *texts)
{
	uint32_t n = 0;

	while (texts[n] != NULL)
		n++;
	return n;
}

/* Put the START frame; its length is filled in last. */
static int put_start(struct agent *agent, const struct agent_command *command, struct err *err)
{
	const char *const *args = (const char *const *)command->args;
	struct guest_exec head = {
		.n_args = count(args),
		.n_envs = count(command->envs),
		.flags = command->tty ? GUEST_EXEC_TTY : 0,
		.winsize = command->winsize,
	};
	struct guest_frame frame = { .type = GUEST_EXEC_START };
	bool fits = put(agent, &frame, sizeof(frame)) && put(agent, &head, sizeof(head)) &&
		    put(agent, command->user, strlen(command->user) + 1) &&
		    put(agent, command->cwd, strlen(command->cwd) + 1);

	for (size_t i = 0; i < head.n_args && fits; i++)
		fits = put(agent, args[i], strlen(args[i]) + 1);
	for (size_t i = 0; i < head.n_envs && fits; i++)
		fits = put(agent, command->envs[i], strlen(command->envs[i]) + 1);
	if (!fits)
		return err_set(err, ERR_USAGE, "the command is too long: at most %u bytes",
			       GUEST_FRAME_MAX);
	frame.len = (uint32_t)(agent->to_len - sizeof(frame));
	memcpy(agent->to, &frame, sizeof(frame));
	return 0;
}

/* A small frame behind what waits already. */
static bool put_frame(struct agent *agent, uint32_t type, const void *bytes, uint32_t len)
{
	const struct guest_frame frame = { .type = type, .len = len };

	if (sizeof(frame) + len > sizeof(agent->to) - agent->to_len)
		return false;
	return put(agent, &frame, sizeof(frame)) && put(agent, bytes, len);
}

static int send_pending(struct agent *agent, struct err *err)
{
	ssize_t n = send(agent->stream, agent->to + agent->to_at, agent->to_len - agent->to_at,
			 MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(err, "the guest's agent hung up");
	if (n > 0)
		agent->to_at += (size_t)n;
	if (agent->to_at == agent->to_len)
		agent->to_at = agent->to_len = 0;
	return 0;
}

/* A chunk of stdin, or its end (an empty frame), becomes a frame. */
static void take_stdin(struct agent *agent)
{
	struct guest_frame frame = { .type = GUEST_EXEC_STDIN };
	ssize_t n = read(agent->streams.in, agent->to + sizeof(frame), STDIN_CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		agent->streams.in = -1;
	frame.len = n > 0 ? (uint32_t)n : 0;
	memcpy(agent->to, &frame, sizeof(frame));
	agent->to_len = sizeof(frame) + frame.len;
}

/*
 * Somebody who closed our output doesn't end the command: the rest is dropped, as a shell's
 * pipeline would.
 */
static void write_out(int *fd, const void *bytes, size_t len)
{
	if (*fd >= 0 && fd_write_all(*fd, bytes, len) < 0)
		*fd = -1;
}

/* -1 with err, the exit code, or AGENT_STOPPED + 1: more to come. */
#define MORE (AGENT_STOPPED + 1)
static int take_frame(struct agent *agent, uint32_t type, const uint8_t *bytes, size_t len,
		      struct err *err)
{
	struct guest_exit result;
	uint64_t room = agent->streams.err_max - agent->err_len;

	switch (type) {
	case GUEST_EXEC_STDOUT:
		write_out(&agent->streams.out, bytes, len);
		return MORE;
	case GUEST_EXEC_STDERR:
		if (agent->streams.err_max != 0 && len > room)
			len = (size_t)room;
		agent->err_len += len;
		write_out(&agent->streams.err, bytes, len);
		return MORE;
	case GUEST_EXEC_EXIT:
		if (len != sizeof(result))
			break;
		memcpy(&result, bytes, sizeof(result));
		return (int)(result.code & 0xff);
	default:
		break;
	}
	return err_set(err, ERR_FAILED, "the guest's agent talks nonsense (frame %u of %zu bytes)",
		       type, len);
}

static int take_frames(struct agent *agent, struct err *err)
{
	size_t at = 0;
	int rc = MORE;

	while (rc == MORE && agent->from_len - at >= sizeof(struct guest_frame)) {
		struct guest_frame frame;

		memcpy(&frame, agent->from + at, sizeof(frame));
		if (frame.len > GUEST_FRAME_MAX)
			return err_set(err, ERR_FAILED,
				       "the guest's agent talks nonsense (frame of %u bytes)",
				       frame.len);
		if (agent->from_len - at - sizeof(frame) < frame.len)
			break;
		rc = take_frame(agent, frame.type, agent->from + at + sizeof(frame), frame.len,
				err);
		at += sizeof(frame) + frame.len;
	}
	memmove(agent->from, agent->from + at, agent->from_len - at);
	agent->from_len -= at;
	return rc;
}

static int take_stream(struct agent *agent, struct err *err)
{
	ssize_t n = recv(agent->stream, agent->from + agent->from_len,
			 sizeof(agent->from) - agent->from_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return MORE;
	if (n < 0)
		return err_sys(err, "the guest's agent");
	if (n == 0)
		return err_set(err, ERR_FAILED,
			       "the guest's agent hung up before the command's end");
	agent->from_len += (size_t)n;
	return take_frames(agent, err);
}

/* MORE, or the code to end with: the guest takes nothing now, or somebody insists. */
static int pass_signal(struct agent *agent, uint32_t number)
{
	const struct guest_signal frame = { .signal = number };
	struct timespec now;
	time_t *last = agent->signalled_s;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	memmove(last + 1, last, (URGENT_SIGNALS - 1) * sizeof(*last));
	last[0] = now.tv_sec;
	if (!agent->streams.pass_signals || agent->to_len > 0 ||
	    (last[URGENT_SIGNALS - 1] != 0 &&
	     now.tv_sec - last[URGENT_SIGNALS - 1] < AGENT_URGENT_S) ||
	    !put_frame(agent, GUEST_EXEC_SIGNAL, &frame, sizeof(frame)))
		return 128 + (int)number;
	return MORE;
}

static int take_signal(struct agent *agent)
{
	struct signalfd_siginfo info;

	if (read(agent->streams.signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return MORE;
	switch (info.ssi_signo) {
	case SIGWINCH:
		agent->resized = true;
		return MORE;
	case SIGINT:
	case SIGTERM:
		return pass_signal(agent, info.ssi_signo);
	default:
		return 128 + (int)info.ssi_signo;
	}
}

/* However often the size changes while the guest takes nothing, it is told the last one. */
static void tell_size(struct agent *agent)
{
	struct guest_winsize size;

	if (agent->to_len > 0)
		return;
	agent->resized = false;
	if (terminal_size(agent->streams.terminal, &size))
		(void)put_frame(agent, GUEST_EXEC_WINSIZE, &size, sizeof(size));
}

static int relay(struct agent *agent, struct err *err)
{
	int rc;

	for (;;) {
		bool sending = agent->to_len > 0;
		struct pollfd fds[] = {
			{ .fd = agent->stream,
			  .events = (short)(POLLIN | (sending ? POLLOUT : 0)) },
			{ .fd = sending ? -1 : agent->streams.in, .events = POLLIN },
			{ .fd = agent->streams.stop, .events = POLLIN },
			{ .fd = agent->streams.signals, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (fds[2].revents != 0)
			return AGENT_STOPPED;
		/* what has arrived counts more than that the other side has hung up */
		if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
			rc = take_stream(agent, err);
			if (rc != MORE)
				return rc;
		}
		if ((fds[0].revents & POLLOUT) != 0 && send_pending(agent, err) < 0)
			return -1;
		if (fds[1].revents != 0)
			take_stdin(agent);
		if (fds[3].revents != 0 && (rc = take_signal(agent)) != MORE)
			return rc;
		if (agent->resized)
			tell_size(agent);
	}
}

int agent_exec(int stream, const struct agent_command *command, const struct agent_streams *streams,
	       struct err *err)
{
	static struct agent agent;

	agent.stream = stream;
	agent.streams = *streams;
	agent.to_at = agent.to_len = agent.from_len = 0;
	agent.err_len = 0;
	agent.resized = false;
	memset(agent.signalled_s, 0, sizeof(agent.signalled_s));
	if (fcntl(stream, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "the guest's agent");
	return put_start(&agent, command, err) < 0 ? -1 : relay(&agent, err);
}
