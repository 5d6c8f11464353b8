/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/ssh_options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/spec.h"

const char *const ssh_options_fixed[] = {
	"GlobalKnownHostsFile /dev/null",
	"StrictHostKeyChecking yes",
	"UpdateHostKeys no",
	NULL,
};

static bool is_plain_path(const char *path)
{
	return path[strcspn(path, " \t\n\"'\\%$`;&|<>()*?[]{}~#!")] == '\0';
}

static int refuse_path(const char *path, struct err *err)
{
	return err_set(err, ERR_FAILED, "%s: ssh can't be given a path with such characters", path);
}

static int make_proxy(struct ssh_options *options, const struct cli *cli, struct err *err)
{
	char exe[PATH_MAX], config[PATH_MAX] = "";
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return err_sys(err, "/proc/self/exe");
	exe[len] = '\0';
	if (cli->config_path != NULL && realpath(cli->config_path, config) == NULL)
		return err_sys(err, "%s", cli->config_path);
	if (!is_plain_path(exe) || !is_plain_path(config))
		return refuse_path(is_plain_path(exe) ? config : exe, err);
	(void)snprintf(options->proxy, sizeof(options->proxy), "%s%s%s ssh --stdio %s", exe,
		       config[0] != '\0' ? " --config " : "", config, options->alias);
	return 0;
}

/*
 * Whom to log in as, and the name that the host key was pinned under; from the spec, where we may
 * read it.
 */
static void find_login(struct ssh_options *options, const struct cli *cli, const char *id,
		       const char *name)
{
	static struct spec spec;
	char path[PATHS_SIZE];
	struct err ignored;

	(void)str_copy(options->alias, sizeof(options->alias), name);
	(void)str_copy(options->user, sizeof(options->user), cli->config.account);
	if (spec_read(paths_sandbox(&cli->config.host, id, "spec", path), &spec, &ignored) == 0) {
		(void)str_copy(options->alias, sizeof(options->alias), spec.name);
		(void)str_copy(options->user, sizeof(options->user), spec.account);
	}
	explicit_bzero(&spec, sizeof(spec));
}

/* While it runs its group may read it too, beside the control socket; root may always. */
static int find_known_hosts(struct ssh_options *options, const struct cli *cli, const char *id,
			    struct err *err)
{
	char *path = options->known_hosts;

	if (access(paths_run(&cli->config.host, id, "known_hosts", path), R_OK) < 0 &&
	    access(paths_sandbox(&cli->config.host, id, "known_hosts", path), R_OK) < 0)
		return errno == EACCES
			       ? err_set(err, ERR_FAILED,
					 "%s: only root and the group %s may read its host key",
					 options->alias, cli->config.host.group)
			       : err_sys(err, "%s: its host key", options->alias);
	return is_plain_path(path) ? 0 : refuse_path(path, err);
}

int ssh_options_find(const struct cli *cli, const char *id, const char *name,
		     struct ssh_options *options, struct err *err)
{
	char *identity = options->identity;

	find_login(options, cli, id, name);
	if (make_proxy(options, cli, err) < 0 || find_known_hosts(options, cli, id, err) < 0)
		return -1;
	if (access(paths_sandbox(&cli->config.host, id, "ssh-key", identity), R_OK) < 0)
		identity[0] = '\0';
	return 0;
}
