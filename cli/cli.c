/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/cli.h"

#include <unistd.h>

#include "cli/before.h"

int cli_usage(const struct cli *cli, struct err *err, const char *what)
{
	return err_set(err, ERR_USAGE, "%s: %s; usage: mayfly %s %s", cli->verb->name, what,
		       cli->verb->name, cli->verb->usage);
}

int cli_begin(struct cli *cli, struct err *err)
{
	if (config_load(&cli->config, cli->config_path, err) < 0)
		return -1;
	if ((cli->verb->flags & VERB_ROOT) != 0 && geteuid() != 0)
		return err_set(err, ERR_FAILED, "%s needs root: try `sudo mayfly %s …`",
			       cli->verb->name, cli->verb->name);
	if (geteuid() != 0)
		return 0;
	if ((cli->verb->flags & VERB_CHANGES) != 0 && !cli->dry_run)
		before_reap(cli);
	if ((cli->verb->flags & (VERB_ENDS | VERB_HIDDEN)) == 0)
		before_fold(cli);
	return 0;
}
