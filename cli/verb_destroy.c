/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * destroy converges to absence: a running sandbox is asked through its keeper; one whose keeper is
 * gone or does not answer is torn down by the keeper as a tool, which needs nobody's cooperation.
 * Several are ended side by side: the kernel's grace periods then coalesce.
 */
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/target.h"
#include "cli/tool.h"

#define ANSWER_SLACK_S 30 /* beyond the graceful stop, until the tool takes over */

const struct opt verb_destroy_options[] = {
	{ 'f', "force", NULL, "without asking the guest to stop first" },
	{ 0 },
};

struct victim {
	const char *name;
	char id[ID_SIZE];
	int fd; /* control socket that has been asked; -1: none */
	bool found;
	struct err err; /* code ERR_NONE: it is gone */
};

static void ask(struct victim *victim, const struct host_config *host, bool force)
{
	struct ctl_request request = { .type = CTL_DESTROY, .force = force };
	struct err ignored;

	victim->fd = client_open(host, victim->id, victim->name, &ignored);
	if (victim->fd >= 0 && client_send(victim->fd, &request, &ignored) < 0)
		fd_close(&victim->fd);
}

static void note(void *arg, const struct ctl_record *record)
{
	const struct victim *victim = arg;

	if (record->type == CTL_ITEM && record->code != 0)
		log_warning("%s: %s", victim->name, record->text);
}

static int tear_down(struct victim *victim, const struct config *config, bool force,
		     struct err *err)
{
	const char *const args[] = { "--destroy", victim->id, force ? "--force" : NULL, NULL };
	int code = tool_run(config, args, note, victim, err);

	if (code > 0)
		return err_set(err, code, "not everything of it is gone: see `mayfly verify %s`",
			       victim->id);
	return code;
}

/*
 * A keeper's "residue" is the answer; whatever else went wrong with asking it, the tool tries once
 * more.
 */
static void finish(struct victim *victim, const struct config *config, bool force)
{
	int timeout_ms = (int)(config->host.stop_timeout_s + ANSWER_SLACK_S) * 1000;
	struct ctl_record answer;

	if (victim->fd >= 0 &&
	    client_answer(victim->fd, timeout_ms, &answer, NULL, &victim->err) == 0)
		return;
	if (victim->fd >= 0 && victim->err.code == ERR_RESIDUE)
		return;
	victim->err.code = ERR_NONE;
	if (tear_down(victim, config, force || victim->fd >= 0, &victim->err) == 0 ||
	    victim->err.code == ERR_NOT_FOUND) /* it went while we asked */
		victim->err.code = ERR_NONE;
}

/* All failures but the last are printed here; the last one is the verb's own. */
static int report(struct victim *victims, int n, struct err *err)
{
	int failed = -1, code = ERR_NONE;

	for (int i = 0; i < n; i++) {
		if (victims[i].err.code == ERR_NONE)
			continue;
		if (failed >= 0)
			log_error("%s", victims[failed].err.text);
		code = code == ERR_NONE || code == victims[i].err.code ? victims[i].err.code
								       : ERR_FAILED;
		failed = i;
	}
	if (failed < 0)
		return 0;
	*err = victims[failed].err;
	err->code = code;
	return -1;
}

int verb_destroy(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	struct victim *victims;
	bool force = false;
	const char *value;
	int id, n, rc;
	char **names;

	while ((id = opt_next(&opts, &value, err)) > 0)
		force = true;
	if (id < 0)
		return -1;
	names = opt_rest(&opts, &n);
	if (n < 1)
		return cli_usage(cli, err, "the name is missing");
	if (cli_begin(cli, err) < 0)
		return -1;
	victims = calloc((size_t)n, sizeof(*victims));
	BUG_ON(victims == NULL);
	for (int i = 0; i < n; i++) {
		victims[i] = (struct victim){ .name = names[i], .fd = -1 };
		victims[i].found = target_find(&cli->config.host, names[i], victims[i].id,
					       &victims[i].err) == 0;
		if (victims[i].found)
			ask(&victims[i], &cli->config.host, force);
	}
	for (int i = 0; i < n; i++) {
		if (!victims[i].found)
			continue;
		finish(&victims[i], &cli->config, force);
		if (victims[i].err.code != ERR_NONE)
			(void)err_wrap(&victims[i].err, "%s", names[i]);
		fd_close(&victims[i].fd);
	}
	rc = report(victims, n, err);
	free(victims);
	return rc;
}
