/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * ssh-config: a fragment of ssh_config(5), to be included by the user's own, in which NAME.mayfly is a host. It names
 * files of the sandbox as it is now: one made anew under the same name needs it printed anew.
 */
#include "cli/verbs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/ssh_options.h"
#include "cli/target.h"
#include "store/paths.h"

static int print_host(const struct cli *cli, const char *name, struct err *err)
{
	static struct ssh_options options;
	char id[ID_SIZE];

	if (target_find(&cli->config.host, name, id, err) < 0 ||
	    ssh_options_find(cli, id, name, &options, err) < 0)
		return -1;
	(void)printf("Host %s.mayfly\n", options.alias);
	(void)printf("    User %s\n", options.user);
	(void)printf("    ProxyCommand %s\n", options.proxy);
	(void)printf("    HostKeyAlias %s\n", options.alias);
	(void)printf("    UserKnownHostsFile %s\n", options.known_hosts);
	for (size_t i = 0; ssh_options_fixed[i] != NULL; i++)
		(void)printf("    %s\n", ssh_options_fixed[i]);
	if (options.identity[0] != '\0')
		(void)printf("    IdentityFile %s\n    IdentitiesOnly yes\n", options.identity);
	return 0;
}

static int is_name_entry(const struct dirent *entry)
{
	return str_is_name(entry->d_name);
}

/* All that have a name; those that can't be logged in to (yet, any more) are said as comments. */
static int print_all(const struct cli *cli, struct err *err)
{
	struct dirent **entries;
	char path[PATHS_SIZE];
	int n = scandir(paths_state(&cli->config.host, "names", path), &entries, is_name_entry,
			alphasort);

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(err, "%s", path);
	for (int i = 0; i < n; i++) {
		if (print_host(cli, entries[i]->d_name, err) < 0)
			(void)printf("# %s\n", err->text);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

int verb_ssh_config(struct cli *cli, int argc, char **argv, struct err *err)
{
	int n, rc = 0;
	char **names = opt_words(cli, argc, argv, 0, -1, &n, err);

	if (names == NULL || cli_begin(cli, err) < 0)
		return -1;
	if (n == 0)
		rc = print_all(cli, err);
	for (int i = 0; i < n && rc == 0; i++)
		rc = print_host(cli, names[i], err);
	return rc < 0 ? -1 : 0;
}
