/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "cli/agent.h"
#include "cli/client.h"
#include "cli/request.h"
#include "cli/target.h"
#include "cli/terminal.h"

#define MAX_ENVS 64

static const struct guest_winsize usual_size = { .rows = 24, .columns = 80 };

enum { EXEC_TIMEOUT = OPT_LONG + 1 };

const struct opt verb_exec_options[] = {
	{ 'i', "interactive", NULL, "pass stdin; it is passed unless -n says otherwise" },
	{ 't', "tty", NULL, "give the command a terminal" },
	{ 'n', "no-stdin", NULL, "leave stdin to others, as in a shell's loop" },
	{ 'u', "user", "NAME", "who runs it, instead of root" },
	{ 'w', "workdir", "DIR", "where it runs, instead of that user's home" },
	{ 'e', "env", "NAME=VALUE", "environment variable; repeatable" },
	{ EXEC_TIMEOUT, "timeout", "DURATION", "end the command by then (exit code 124)" },
	{ 0 },
};

struct exec_words {
	const char *name, *user, *cwd;
	bool tty, no_stdin;
	uint32_t timeout_s;		/* 0: none */
	char term[64];			/* TERM=… */
	const char *envs[MAX_ENVS + 2]; /* with TERM */
	size_t n_envs;
	char **args;
};

static int take_option(struct exec_words *words, int id, const char *value, struct err *err)
{
	switch (id) {
	case 'u':
		words->user = value;
		return 0;
	case 'w':
		words->cwd = value;
		return 0;
	case 'i':
		return 0;
	case 't':
		words->tty = true;
		return 0;
	case 'n':
		words->no_stdin = true;
		return 0;
	case EXEC_TIMEOUT:
		return request_take_timeout(&words->timeout_s, value, err);
	default:
		if (value[0] == '=' || strchr(value, '=') == NULL)
			return err_set(err, ERR_USAGE, "--env %.60s: not NAME=VALUE", value);
		if (words->n_envs == MAX_ENVS)
			return err_set(err, ERR_USAGE, "--env: at most %d times", MAX_ENVS);
		words->envs[words->n_envs++] = value;
		return 0;
	}
}

static int read_words(struct cli *cli, int argc, char **argv, struct exec_words *words,
		      struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv, .stop_at_name = true };
	const char *value;
	char **rest;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (take_option(words, id, value, err) < 0)
			return -1;
	}
	if (id < 0)
		return -1;
	rest = opt_rest(&opts, &n);
	if (n < 1)
		return cli_usage(cli, err, "the name is missing");
	words->name = rest[0];
	words->args = rest + 1;
	if (n > 1 && strcmp(rest[1], "--") == 0)
		words->args++;
	return words->args[0] != NULL ? 0 : cli_usage(cli, err, "the command is missing");
}

/* What the guest's terminal is, and which of ours it follows: programs there ask for TERM and the size. */
static void describe_terminal(struct exec_words *words, int terminal, struct agent_command *command)
{
	const char *term = getenv("TERM");

	command->tty = true;
	if (!terminal_size(terminal, &command->winsize))
		command->winsize = usual_size;
	for (size_t i = 0; i < words->n_envs; i++) {
		if (strncmp(words->envs[i], "TERM=", 5) == 0)
			return;
	}
	(void)snprintf(words->term, sizeof(words->term), "TERM=%.50s",
		       term != NULL && term[0] != '\0' ? term : "dumb");
	words->envs[words->n_envs++] = words->term;
}

/* A timer that becomes readable once the time is over; -1 without one. */
static int start_timer(uint32_t seconds)
{
	const struct itimerspec end = { .it_value.tv_sec = seconds };
	int fd, rc;

	if (seconds == 0)
		return -1;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	rc = timerfd_settime(fd, 0, &end, NULL);
	BUG_ON(rc < 0);
	return fd;
}

static int run_command(struct exec_words *words, int stream, struct err *err)
{
	struct agent_command command = {
		.user = words->user, .cwd = words->cwd, .args = words->args, .envs = words->envs
	};
	bool keys = words->tty && !words->no_stdin && isatty(STDIN_FILENO) == 1;
	struct agent_streams streams = { .in = STDIN_FILENO,
					 .out = STDOUT_FILENO,
					 .err = STDERR_FILENO,
					 .stop = -1,
					 .terminal = keys ? STDIN_FILENO : STDOUT_FILENO };
	auto_fd signals = terminal_signals(err), timer = start_timer(words->timeout_s);
	auto_fd nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int code;

	if (words->no_stdin)
		streams.in = words->tty ? -1 : nothing;
	streams.signals = signals;
	streams.stop = timer;
	streams.pass_signals = !keys; /* with keys, ^C is one of them: a signal is for us */
	if (signals < 0)
		return -1;
	if (words->tty)
		describe_terminal(words, streams.terminal, &command);
	if (keys && terminal_raw(STDIN_FILENO, err) < 0)
		return -1;
	code = agent_exec(stream, &command, &streams, err);
	terminal_restore();
	if (code == AGENT_STOPPED && words->timeout_s > 0)
		return err_set(err, ERR_TIMEOUT, "%s: the command did not end within %u s",
			       words->name, words->timeout_s);
	return code;
}

int verb_exec(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct exec_words words = { .user = "", .cwd = "" };
	char id[ID_SIZE];
	auto_fd stream = -1;

	if (read_words(cli, argc, argv, &words, err) < 0 || cli_begin(cli, err) < 0 ||
	    target_find(&cli->config.host, words.name, id, err) < 0)
		return -1;
	stream = client_connect(&cli->config.host, id, words.name, GUEST_PORT_EXEC, err);
	if (stream < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	return run_command(&words, stream, err);
}
