/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/entryview.h"
#include "cli/json.h"
#include "cli/request.h"
#include "cli/specview.h"
#include "cli/start.h"
#include "store/entry.h"
#include "store/paths.h"
#include "store/prepared.h"

enum { CREATE_NO_RESTART = OPT_LONG + 100 };

const struct opt verb_create_options[] = {
	REQUEST_OPTIONS,
	NETOPTS_OPTIONS,
	{ CREATE_NO_RESTART, "no-restart", NULL, "stays stopped after a reboot of the host" },
	{ 'q', "quiet", NULL, "print nothing on stdout" },
	{ 0 },
};

static int read_options(struct cli *cli, int argc, char **argv, struct request *request,
			bool *quiet, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	char **words;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == 'q')
			*quiet = true;
		else if (id == CREATE_NO_RESTART)
			request->no_restart = true;
		else if (request_option(request, id, value, err) < 0)
			return -1;
	}
	if (id < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n != 1)
		return cli_usage(cli, err, n < 1 ? "the name is missing" : "one name, please");
	request->name = words[0];
	return 0;
}

/*
 * The keeper's symlink(2) decides; this only spares the user the wait. A link that leads nowhere is
 * nobody's.
 */
static int check_free(const struct spec *spec, struct err *err)
{
	static struct store_entry entry;
	char path[PATHS_SIZE], id[ID_SIZE];
	struct err ignored;
	struct stat st;
	bool there, left;

	if (lstat(paths_name(&spec->host, spec->name, path), &st) < 0 ||
	    entry_find(&spec->host, spec->name, id, &ignored) < 0)
		return 0;
	there = entry_load(&spec->host, id, &entry, &ignored) == 0;
	left = there && entry.state == STORE_QUARANTINED;
	explicit_bzero(&entry, sizeof(entry));
	if (!there)
		return 0;
	if (!left)
		return err_set(err, ERR_EXISTS, "there is a sandbox %s already", spec->name);
	(void)entryview_quarantined(&spec->host, id, err);
	err->code = ERR_EXISTS;
	return err_wrap(err, "%s", spec->name);
}

/* --dry-run --format json: what show would say of it, but for what only a sandbox that is there has */
static int print_plan(const struct spec *spec, struct err *err)
{
	json_t *object;

	if (prepared_check(&spec->host, err) < 0)
		return -1;
	object = json_object();
	json_put_text(object, "name", spec->name);
	json_put_text(object, "owner", spec->owner);
	json_put_instant(object, "ends", spec->deadline_s);
	(void)json_object_set_new(object, "labels", specview_labels_json(spec));
	specview_json(object, spec);
	return json_print(object, err);
}

int verb_create(struct cli *cli, int argc, char **argv, struct err *err)
{
	static struct spec spec;
	struct handover files = HANDOVER_NONE;
	struct request request = { .durable = true };
	struct start start = { .config = &cli->config,
			       .config_path = cli->config_path,
			       .spec = &spec,
			       .files = &files };
	char date[STR_INSTANT_SIZE];
	bool quiet = false, by_default = false;
	int rc;

	if (read_options(cli, argc, argv, &request, &quiet, err) < 0 || cli_begin(cli, err) < 0)
		return -1;
	rc = request_take_timeout(&start.timeout_s, request.timeout, err);
	if (rc == 0)
		rc = request_resolve(&request, &cli->config, time(NULL), &spec, &files, &by_default,
				     err);
	if (rc == 0)
		rc = check_free(&spec, err);
	if (rc == 0 && request.dry_run)
		rc = cli->json ? print_plan(&spec, err) : specview_dry_run(&spec, err);
	else if (rc == 0)
		rc = start_sandbox(&start, err);
	if (rc == 0 && by_default)
		log_info("%s ends at %s, this site's default life; --ttl chooses another",
			 spec.name, str_from_instant(spec.deadline_s, date, sizeof(date)));
	if (rc == 0 && !quiet && !request.dry_run && cli->json)
		rc = entryview_print(&spec.host, spec.id, err);
	else if (rc == 0 && !quiet && !request.dry_run)
		(void)printf("%s\n", spec.name);
	handover_close(&files);
	explicit_bzero(&spec, sizeof(spec));
	return rc;
}
