/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * ssh: OpenSSH's client over the sandbox's vsock. The host key was pinned when the sandbox was
 * made.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "cli/client.h"
#include "cli/copy.h"
#include "cli/ssh_options.h"
#include "cli/target.h"
#include "store/paths.h"
#include "store/spec.h"

#define MAX_WORDS 256

enum { SSH_STDIO = OPT_LONG + 1 };

const struct opt verb_ssh_options[] = {
	{ 'i', "identity", "FILE", "private key to log in with, instead of mayfly's or ssh's own" },
	{ 't', "tty", NULL, "ssh's own: a terminal for a command too" },
	{ 'A', "forward-agent", NULL, "ssh's own: the agent's keys can be used from inside" },
	{ 'N', "no-command", NULL, "ssh's own: only forward ports" },
	{ 'L', "local", "[ADDR:]PORT:HOST:PORT", "ssh's own: a port here leads there; repeatable" },
	{ 'R', "remote", "[ADDR:]PORT:HOST:PORT",
	  "ssh's own: a port inside leads here; repeatable" },
	{ 'D', "dynamic", "[ADDR:]PORT", "ssh's own: a SOCKS proxy here that leads out inside" },
	{ 'o', "option", "KEY=VALUE", "ssh's own: as in ssh_config; repeatable" },
	{ SSH_STDIO, "stdio", NULL,
	  "connect stdin and stdout to the sandbox's sshd: for ProxyCommand" },
	{ 0 },
};

static int connect_stdio(const struct cli *cli, const char *id, const char *name, struct err *err)
{
	auto_fd stream = client_connect(&cli->config.host, id, name, GUEST_PORT_SSH, err);

	if (stream < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	return copy_both_ways(STDIN_FILENO, STDOUT_FILENO, stream, err);
}

/* In our words, before ssh says in its own that its ProxyCommand has failed. */
static int check_running(const struct cli *cli, const char *id, const char *name, struct err *err)
{
	auto_fd fd = client_open(&cli->config.host, id, name, err);

	return fd < 0 ? -1 : 0;
}

struct ssh_words {
	char texts[8][2 * PATH_MAX + 160]; /* of options, as words */
	size_t n_texts;
	const char *key; /* private key to log in with; NULL: mayfly's, else ssh's own choice */
	char *argv[MAX_WORDS];
	size_t n;
};

static int add(struct ssh_words *words, const char *word, struct err *err)
{
	if (words->n + 1 >= MAX_WORDS)
		return err_set(err, ERR_USAGE, "ssh: too many words");
	words->argv[words->n++] = (char *)(uintptr_t)word; /* execve doesn't write through it */
	return 0;
}

static int add_two(struct ssh_words *words, const char *word, const char *value, struct err *err)
{
	return add(words, word, err) < 0 ? -1 : add(words, value, err);
}

static int add_setting(struct ssh_words *words, const char *key, const char *value, struct err *err)
{
	char *text = words->texts[words->n_texts];

	BUG_ON(words->n_texts == ARRAY_SIZE(words->texts));
	words->n_texts++;
	(void)snprintf(text, sizeof(words->texts[0]), "%s=%s", key, value);
	return add_two(words, "-o", text, err);
}

/* The first value of a setting counts: ours come before the user's. */
static int add_settings(struct ssh_words *words, const struct ssh_options *options, struct err *err)
{
	if (add(words, "ssh", err) < 0 ||
	    add_setting(words, "ProxyCommand", options->proxy, err) < 0 ||
	    add_setting(words, "HostKeyAlias", options->alias, err) < 0 ||
	    add_setting(words, "UserKnownHostsFile", options->known_hosts, err) < 0)
		return -1;
	for (size_t i = 0; ssh_options_fixed[i] != NULL; i++) {
		if (add_two(words, "-o", ssh_options_fixed[i], err) < 0)
			return -1;
	}
	if (words->key == NULL && options->identity[0] != '\0')
		words->key = options->identity;
	if (words->key != NULL && (add_two(words, "-o", "IdentitiesOnly=yes", err) < 0 ||
				   add_two(words, "-i", words->key, err) < 0))
		return -1;
	return 0;
}

/* passed: the user's options for ssh, which stood before the name. */
static int make_words(struct ssh_words *words, const struct ssh_options *options,
		      const struct ssh_words *passed, char **command, struct err *err)
{
	if (add_settings(words, options, err) < 0)
		return -1;
	for (size_t i = 0; i < passed->n; i++) {
		if (add(words, passed->argv[i], err) < 0)
			return -1;
	}
	if (add_two(words, "-l", options->user, err) < 0 ||
	    add_two(words, "--", options->alias, err) < 0)
		return -1;
	for (; *command != NULL; command++) {
		if (add(words, *command, err) < 0)
			return -1;
	}
	return 0;
}

/* One of ssh's own options, as ssh spells it. */
static int pass_option(struct ssh_words *passed, int option, const char *value, struct err *err)
{
	static const char *const spelt[] = { "-t", "-A", "-N", "-L", "-R", "-D", "-o" };

	for (size_t i = 0; i < ARRAY_SIZE(spelt); i++) {
		if (spelt[i][1] == option)
			return value != NULL ? add_two(passed, spelt[i], value, err)
					     : add(passed, spelt[i], err);
	}
	BUG_ON(true);
}

int verb_ssh(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv, .stop_at_name = true };
	static struct ssh_words words, passed;
	static struct ssh_options options;
	char id[ID_SIZE], **rest, **command;
	bool stdio = false;
	const char *value;
	int option, n;

	while ((option = opt_next(&opts, &value, err)) > 0) {
		if (option == 'i')
			words.key = value;
		else if (option == SSH_STDIO)
			stdio = true;
		else if (pass_option(&passed, option, value, err) < 0)
			return -1;
	}
	if (option < 0)
		return -1;
	rest = opt_rest(&opts, &n);
	if (n < 1 || (stdio && n > 1))
		return cli_usage(cli, err,
				 n < 1 ? "the name is missing" : "--stdio takes no command");
	if (cli_begin(cli, err) < 0 || target_find(&cli->config.host, rest[0], id, err) < 0)
		return -1;
	if (stdio)
		return connect_stdio(cli, id, rest[0], err);
	if (check_running(cli, id, rest[0], err) < 0)
		return -1;
	command = rest + (n > 1 && strcmp(rest[1], "--") == 0 ? 2 : 1);
	if (ssh_options_find(cli, id, rest[0], &options, err) < 0 ||
	    make_words(&words, &options, &passed, command, err) < 0)
		return -1;
	(void)execvp("ssh", words.argv);
	return err_sys(err, "can't run ssh (Debian's openssh-client)");
}
