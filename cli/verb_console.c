/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * console: our terminal on the guest's. The keeper hands us one end of a stream, the monitor has the other; what the
 * guest wrote before comes from its ring. Keys that the guest has no room for are dropped, as a terminal does, since the
 * detach key must be seen whatever the guest does; a pipe waits instead.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/log_lines.h"
#include "cli/output.h"
#include "cli/ring.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "store/lock.h"
#include "store/paths.h"

#define PATIENCE_MS   10000
#define BACKLOG_LINES 40
#define KEYS_SIZE     4096
#define DETACH_USUAL  ']'
#define DETACH_NONE   0

enum { CONSOLE_DETACH_KEY = OPT_LONG + 1, CONSOLE_TAIL };

const struct opt verb_console_options[] = {
	{ CONSOLE_DETACH_KEY, "detach-key", "ctrl-X|none", "what ends it, instead of ctrl-]" },
	{ CONSOLE_TAIL, "tail", "N", "show the last N lines first, instead of 40" },
	{ 0 },
};

struct session {
	const struct host_config *host;
	const char *name;
	char id[ID_SIZE];
	char detach; /* the letter that goes with ctrl; DETACH_NONE: nothing detaches */
	uint64_t backlog;
	bool keys; /* stdin is a terminal */
	int stream, signals, in;
	char typed[KEYS_SIZE]; /* on its way to the guest */
	size_t typed_len;
};

/* ctrl-X, ^X or none. */
static bool parse_detach(const char *text, char *letter)
{
	const char *key = strncasecmp(text, "ctrl-", 5) == 0 ? text + 5 : text + 1;

	*letter = DETACH_NONE;
	if (strcmp(text, "none") == 0)
		return true;
	if ((key == text + 1 && text[0] != '^') || key[0] == '\0' || key[1] != '\0')
		return false;
	*letter = key[0] >= 'a' && key[0] <= 'z' ? (char)(key[0] - 'a' + 'A') : key[0];
	return *letter >= '@' + 1 && *letter <= '_' && *letter != 'J' && *letter != 'M';
}

static char control_of(char letter)
{
	return (char)(letter - '@');
}

/* Keeper and monitor are asked on a connection of its own: one that stays would take a place from others. */
static void tell_size(const struct session *session)
{
	struct ctl_request request = { .type = CTL_CONSOLE_SIZE };
	struct guest_winsize size;
	struct ctl_record answer;
	struct err ignored;
	auto_fd fd = -1;

	if (!session->keys || !terminal_size(STDIN_FILENO, &size))
		return;
	request.port = size.columns | (uint32_t)size.rows << 16;
	fd = client_open(session->host, session->id, session->name, &ignored);
	if (fd >= 0)
		(void)client_ask(fd, &request, PATIENCE_MS, &answer, NULL, &ignored);
}

static int attach(struct session *session, struct err *err)
{
	struct ctl_request request = { .type = CTL_CONSOLE };
	auto_fd fd = client_open(session->host, session->id, session->name, err);
	struct ctl_record answer;

	if (fd < 0)
		return -1;
	if (client_ask(fd, &request, PATIENCE_MS, &answer, &session->stream, err) < 0)
		return err_wrap(err, "%s", session->name);
	if (session->stream < 0)
		return err_set(err, ERR_FAILED, "%s: the keeper gave no stream", session->name);
	if (fcntl(session->stream, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "the console");
	return 0;
}

/* The guest's last lines, made harmless: what moved a cursor then would move ours now. */
static int show_backlog(const struct session *session, struct err *err)
{
	struct log_lines lines = { .tail = session->backlog,
				   .output = { .escape = isatty(STDOUT_FILENO) == 1 } };
	char path[PATHS_SIZE];
	struct ring ring;
	int rc;

	if (session->backlog == 0 ||
	    ring_open(&ring, paths_run(session->host, session->id, "console", path), err) < 0)
		return 0;
	rc = log_lines_ring(&lines, &ring, err);
	ring_close(&ring);
	return rc < 0 ? -1 : log_lines_end(&lines, err);
}

/* Take n bytes that were typed. False: the detach key was among them. */
static bool type(struct session *session, const char *bytes, size_t n)
{
	const char *key = session->keys && session->detach != DETACH_NONE
				  ? memchr(bytes, control_of(session->detach), n)
				  : NULL;
	size_t room = sizeof(session->typed) - session->typed_len;

	if (key != NULL)
		n = (size_t)(key - bytes);
	if (n > room)
		n = room;
	memcpy(session->typed + session->typed_len, bytes, n);
	session->typed_len += n;
	return key == NULL;
}

static bool send_typed(struct session *session)
{
	ssize_t n = write(session->stream, session->typed, session->typed_len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	memmove(session->typed, session->typed + n, session->typed_len - (size_t)n);
	session->typed_len -= (size_t)n;
	return true;
}

enum turn { GO_ON, DETACHED, HUNG_UP };

static enum turn take_typed(struct session *session)
{
	char bytes[KEYS_SIZE];
	size_t room = sizeof(session->typed) - session->typed_len;
	ssize_t n = read(session->in, bytes, session->keys ? sizeof(bytes) : room);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GO_ON;
	if (n > 0 && type(session, bytes, (size_t)n))
		return send_typed(session) ? GO_ON : HUNG_UP;
	(void)send_typed(session);
	return DETACHED;
}

static enum turn take_written(const struct session *session)
{
	char bytes[OUTPUT_CHUNK];
	ssize_t n = read(session->stream, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GO_ON;
	if (n <= 0)
		return HUNG_UP;
	return fd_write_all(STDOUT_FILENO, bytes, (size_t)n) < 0 ? DETACHED : GO_ON;
}

/* 0, or the code of the signal that ends us. */
static int take_signal(const struct session *session)
{
	struct signalfd_siginfo info;

	if (read(session->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	if (info.ssi_signo != SIGWINCH)
		return 128 + (int)info.ssi_signo;
	tell_size(session);
	return 0;
}

static int hung_up(const struct session *session, struct err *err)
{
	char lock[PATHS_SIZE];

	terminal_restore();
	if (lock_is_held(paths_run(session->host, session->id, "lock", lock)))
		return err_set(err, ERR_FAILED,
			       "%s: detached: somebody else has attached, or it is ending",
			       session->name);
	(void)fprintf(stderr, "mayfly: %s has ended\n", session->name);
	return 0;
}

static int converse(struct session *session, struct err *err)
{
	for (;;) {
		bool room = session->keys || session->typed_len < sizeof(session->typed);
		struct pollfd fds[] = {
			{ .fd = session->stream,
			  .events = (short)(POLLIN | (session->typed_len > 0 ? POLLOUT : 0)) },
			{ .fd = room ? session->in : -1, .events = POLLIN },
			{ .fd = session->signals, .events = POLLIN },
		};
		enum turn turn = GO_ON;
		int code;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (fds[2].revents != 0 && (code = take_signal(session)) != 0)
			return code;
		if (fds[1].revents != 0)
			turn = take_typed(session);
		if (turn == GO_ON && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			turn = take_written(session);
		if (turn == GO_ON && (fds[0].revents & POLLOUT) != 0 && !send_typed(session))
			turn = HUNG_UP;
		if (turn == DETACHED)
			return 0;
		if (turn == HUNG_UP)
			return hung_up(session, err);
	}
}

static int run_session(struct session *session, struct err *err)
{
	auto_fd signals = -1;
	int rc;

	if (attach(session, err) < 0)
		return -1;
	signals = session->signals = terminal_signals(err);
	if (signals < 0)
		return -1;
	if (session->keys && session->detach != DETACH_NONE)
		(void)fprintf(stderr, "mayfly: the console of %s; Ctrl-%c detaches\n",
			      session->name, session->detach);
	if (show_backlog(session, err) < 0)
		return -1;
	tell_size(session);
	if (session->keys && terminal_raw(STDIN_FILENO, err) < 0)
		return -1;
	rc = converse(session, err);
	terminal_restore();
	if (rc >= 0 && session->keys)
		(void)fprintf(stderr, "\nmayfly: detached from %s\n", session->name);
	return rc;
}

static int take_option(struct session *session, int option, const char *value, struct err *err)
{
	if (option == CONSOLE_DETACH_KEY && !parse_detach(value, &session->detach))
		return err_set(err, ERR_USAGE,
			       "--detach-key %.20s: write it as ctrl-] or ctrl-a, or none", value);
	if (option == CONSOLE_TAIL && !str_to_u64(value, LOG_LINES_MAX, &session->backlog))
		return err_set(err, ERR_USAGE, "--tail %.40s: not a number up to %d", value,
			       LOG_LINES_MAX);
	return 0;
}

int verb_console(struct cli *cli, int argc, char **argv, struct err *err)
{
	static struct session session;
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	char **words;
	int option, n, rc;

	session = (struct session){ .host = &cli->config.host,
				    .stream = -1,
				    .detach = DETACH_USUAL,
				    .backlog = BACKLOG_LINES,
				    .keys = isatty(STDIN_FILENO) == 1,
				    .in = STDIN_FILENO };
	while ((option = opt_next(&opts, &value, err)) > 0) {
		if (take_option(&session, option, value, err) < 0)
			return -1;
	}
	if (option < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n != 1)
		return cli_usage(cli, err, n < 1 ? "the name is missing" : "one name, please");
	session.name = words[0];
	if (cli_begin(cli, err) < 0 ||
	    target_find(&cli->config.host, words[0], session.id, err) < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	rc = run_session(&session, err);
	fd_close(&session.stream);
	return rc;
}
