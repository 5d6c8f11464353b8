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
#include "cli/target.h"
#include "store/paths.h"
#include "store/spec.h"

#define MAX_WORDS 256

enum { SSH_STDIO = OPT_LONG + 1 };

const struct opt verb_ssh_options[] = {
	{ 'i', "identity", "FILE", "private key to log in with, instead of mayfly's or ssh's own" },
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

/*
 * Texts of ssh's command line. Those that ssh parses again are quoted for it and for the shell that
 * runs ProxyCommand.
 */
struct ssh_words {
	char proxy[2 * PATH_MAX + 128];
	char known_hosts[PATHS_SIZE + 32];
	char alias[STR_NAME_MAX + 32];
	char identity[PATHS_SIZE];
	const char *key; /* private key to log in with; NULL: ssh's own choice */
	char *argv[MAX_WORDS];
	size_t n;
};

static void add(struct ssh_words *words, const char *word)
{
	BUG_ON(words->n + 1 >= MAX_WORDS);
	words->argv[words->n++] = (char *)(uintptr_t)word; /* execve doesn't write through it */
}

static void add_option(struct ssh_words *words, const char *option)
{
	add(words, "-o");
	add(words, option);
}

/* A path that ssh_config, its % tokens or the shell would read differently than we mean it. */
static bool is_plain_path(const char *path)
{
	return path[strcspn(path, " \t\n\"'\\%$`;&|<>()*?[]{}~#!")] == '\0';
}

static int make_proxy(struct ssh_words *words, const struct cli *cli, const char *name,
		      struct err *err)
{
	char exe[PATH_MAX], config[PATH_MAX] = "";
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return err_sys(err, "/proc/self/exe");
	exe[len] = '\0';
	if (cli->config_path != NULL && realpath(cli->config_path, config) == NULL)
		return err_sys(err, "%s", cli->config_path);
	if (!is_plain_path(exe) || !is_plain_path(config))
		return err_set(err, ERR_FAILED,
			       "%s: ssh can't be given a path with such characters",
			       is_plain_path(exe) ? config : exe);
	(void)snprintf(words->proxy, sizeof(words->proxy), "ProxyCommand=%s%s%s ssh --stdio %s",
		       exe, config[0] != '\0' ? " --config " : "", config, name);
	return 0;
}

/*
 * Whom to log in as, and the name that the host key was pinned under; from the spec, where we may
 * read it.
 */
struct login {
	char name[STR_NAME_MAX + 1];
	char account[STR_NAME_MAX + 1];
};

static void find_login(const struct cli *cli, const char *id, const char *word, struct login *login)
{
	static struct spec spec;
	char path[PATHS_SIZE];
	struct err ignored;

	(void)str_copy(login->name, sizeof(login->name), word);
	(void)str_copy(login->account, sizeof(login->account), cli->config.account);
	if (spec_read(paths_sandbox(&cli->config.host, id, "spec", path), &spec, &ignored) == 0) {
		(void)str_copy(login->name, sizeof(login->name), spec.name);
		(void)str_copy(login->account, sizeof(login->account), spec.account);
	}
	explicit_bzero(&spec, sizeof(spec));
}

static int make_options(struct ssh_words *words, const struct cli *cli, const char *id,
			const char *name, struct err *err)
{
	char path[PATHS_SIZE];

	(void)paths_sandbox(&cli->config.host, id, "known_hosts", path);
	if (access(path, R_OK) < 0 && errno == EACCES)
		return err_set(err, ERR_FAILED,
			       "ssh needs root here: the host key of %s can't be read", name);
	if (access(path, R_OK) < 0)
		return err_sys(err, "%s: its host key", name);
	if (!is_plain_path(path))
		return err_set(err, ERR_FAILED,
			       "%s: ssh can't be given a path with such characters", path);
	(void)snprintf(words->known_hosts, sizeof(words->known_hosts), "UserKnownHostsFile=%s",
		       path);
	(void)snprintf(words->alias, sizeof(words->alias), "HostKeyAlias=%s", name);
	add(words, "ssh");
	add_option(words, words->proxy);
	add_option(words, words->alias);
	add_option(words, words->known_hosts);
	add_option(words, "GlobalKnownHostsFile=/dev/null");
	add_option(words, "StrictHostKeyChecking=yes");
	add_option(words, "UpdateHostKeys=no");
	(void)paths_sandbox(&cli->config.host, id, "ssh-key", words->identity);
	if (words->key == NULL && access(words->identity, R_OK) == 0)
		words->key = words->identity;
	if (words->key != NULL) {
		add_option(words, "IdentitiesOnly=yes");
		add(words, "-i");
		add(words, words->key);
	}
	return 0;
}

static int make_words(struct ssh_words *words, const struct cli *cli, const char *id,
		      const struct login *login, char **command, struct err *err)
{
	if (make_proxy(words, cli, login->name, err) < 0 ||
	    make_options(words, cli, id, login->name, err) < 0)
		return -1;
	add(words, "-l");
	add(words, login->account);
	add(words, "--");
	add(words, login->name);
	for (; *command != NULL; command++) {
		if (words->n + 1 == MAX_WORDS)
			return err_set(err, ERR_USAGE, "ssh: too many words in the command");
		add(words, *command);
	}
	return 0;
}

int verb_ssh(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv, .stop_at_name = true };
	static struct ssh_words words;
	static struct login login;
	char id[ID_SIZE], **rest, **command;
	bool stdio = false;
	const char *value;
	int option, n;

	while ((option = opt_next(&opts, &value, err)) > 0) {
		if (option == 'i')
			words.key = value;
		else
			stdio = true;
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
	find_login(cli, id, rest[0], &login);
	command = rest + (n > 1 && strcmp(rest[1], "--") == 0 ? 2 : 1);
	if (make_words(&words, cli, id, &login, command, err) < 0)
		return -1;
	(void)execvp("ssh", words.argv);
	return err_sys(err, "can't run ssh (Debian's openssh-client)");
}
