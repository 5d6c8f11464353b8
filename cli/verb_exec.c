/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proto/guest.h"
#include "cli/agent.h"
#include "cli/client.h"
#include "cli/target.h"

#define MAX_ENVS 64

const struct opt verb_exec_options[] = {
	{ 'u', "user", "NAME", "who runs it, instead of root" },
	{ 'w', "workdir", "DIR", "where it runs, instead of that user's home" },
	{ 'e', "env", "NAME=VALUE", "environment variable; repeatable" },
	{ 0 },
};

struct exec_words {
	const char *name, *user, *cwd;
	const char *envs[MAX_ENVS + 1];
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

int verb_exec(struct cli *cli, int argc, char **argv, struct err *err)
{
	const struct agent_streams streams = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, -1 };
	struct exec_words words = { .user = "", .cwd = "" };
	struct agent_command command;
	char id[ID_SIZE];
	auto_fd stream = -1;

	if (read_words(cli, argc, argv, &words, err) < 0 || cli_begin(cli, err) < 0 ||
	    target_find(&cli->config.host, words.name, id, err) < 0)
		return -1;
	stream = client_connect(&cli->config.host, id, words.name, GUEST_PORT_EXEC, err);
	if (stream < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	command = (struct agent_command){ words.user, words.cwd, words.args, words.envs };
	return agent_exec(stream, &command, &streams, err);
}
