/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* reap, host: what the keeper does as a tool, in words. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "cli/json.h"
#include "cli/text.h"
#include "cli/tool.h"
#include "cli/unit.h"

enum { TOOLS_DRY_RUN = OPT_LONG + 1, TOOLS_FORCE };

const struct opt verb_reap_options[] = {
	{ TOOLS_DRY_RUN, "dry-run", NULL, "only say what would be ended" },
	{ 0 },
};

const struct opt verb_host_options[] = {
	{ TOOLS_FORCE, "force", NULL, "down: although sandboxes run" },
	{ 0 },
};

/* "NAME: text", findings that are no good news marked; or an object each. */
static void take_record(void *arg, const struct ctl_record *record)
{
	bool good = record->type != CTL_ITEM || record->code == 0;
	const char *who = record->name[0] != '\0' ? record->name : record->id;
	json_t *list = arg, *object;
	char text[1024], name[128];
	int rc;

	if (record->text[0] == '\0' || (record->type != CTL_ITEM && record->type != CTL_OK))
		return;
	if (list == NULL) {
		(void)printf("%s%s%s%s\n", good ? "" : "BAD: ", text_line(who, name, sizeof(name)),
			     who[0] != '\0' ? ": " : "",
			     text_line(record->text, text, sizeof(text)));
		(void)fflush(stdout);
		return;
	}
	object = json_object();
	rc = json_array_append_new(list, object);
	BUG_ON(rc < 0);
	json_put_optional(object, "name", record->name);
	json_put_optional(object, "id", record->id);
	json_put_bool(object, "ok", good);
	json_put_text(object, "text", record->text);
}

/* With --format json one array, also in front of an error. */
static int run(struct cli *cli, const char *const args[], struct err *err)
{
	json_t *list = cli->json ? json_array() : NULL;
	int code = tool_run(&cli->config, args, take_record, list, err);
	struct err ignored;

	if (list != NULL && json_print(list, code < 0 ? &ignored : err) < 0)
		return -1;
	return code;
}

int verb_reap(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *args[] = { "--reap", NULL, NULL };
	const char *value;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0)
		args[1] = "--dry-run";
	if (id < 0)
		return -1;
	(void)opt_rest(&opts, &n);
	if (n > 0)
		return cli_usage(cli, err, "too many words");
	return cli_begin(cli, err) < 0 ? -1 : run(cli, args, err);
}

int verb_host(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *args[] = { NULL, NULL, NULL };
	const char *value;
	char **words;
	int id, n, code;

	while ((id = opt_next(&opts, &value, err)) > 0)
		args[1] = "--force";
	if (id < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n == 1 && strcmp(words[0], "up") == 0 && args[1] == NULL)
		args[0] = "--host-up";
	else if (n == 1 && strcmp(words[0], "down") == 0)
		args[0] = "--host-down";
	else
		return cli_usage(cli, err, "up or down, please");
	if (cli_begin(cli, err) < 0)
		return -1;
	code = run(cli, args, err);
	if (code == 0 && strcmp(words[0], "down") == 0 && unit_possible())
		unit_stop_slice();
	return code;
}
