/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * doctor: can this host run sandboxes? The keeper looks at the kernel; here we look at programs and
 * files.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "cli/json.h"
#include "cli/text.h"
#include "cli/tool.h"

enum { DOCTOR_ONLY = OPT_LONG + 1 };

const struct opt verb_doctor_options[] = {
	{ DOCTOR_ONLY, "only", "CHECK", "one check, by the word before its colon" },
	{ 0 },
};

struct findings {
	const char *only; /* NULL: all */
	unsigned n;
	bool keeper_looked;
	bool json;
	json_t *list;
	unsigned n_bad;
};

static bool is_wanted(const struct findings *findings, const char *text)
{
	size_t len = findings->only != NULL ? strlen(findings->only) : 0;

	return findings->only == NULL ||
	       (strncmp(text, findings->only, len) == 0 && text[len] == ':');
}

static void report(struct findings *findings, bool good, const char *text)
{
	char line[1024];

	if (!is_wanted(findings, text))
		return;
	findings->n++;
	if (!good)
		findings->n_bad++;
	if (findings->json) {
		json_t *item = json_object();
		int rc = json_array_append_new(findings->list, item);

		BUG_ON(rc < 0);
		json_put_bool(item, "ok", good);
		json_put_text(item, "text", text);
		return;
	}
	(void)printf("%-4s %s\n", good ? "ok" : "BAD", text_line(text, line, sizeof(line)));
}

static void take_record(void *arg, const struct ctl_record *record)
{
	struct findings *findings = arg;

	if (record->type != CTL_ITEM)
		return;
	findings->keeper_looked = true;
	report(findings, record->code == 0, record->text);
}

struct needed_file {
	const char *what, *path, *mend;
	int access;
};

static void check_files(struct findings *findings, const struct config *config)
{
	const struct needed_file files[] = {
		{ "keeper", config->keeper, "set paths.keeper, or install mayfly whole", X_OK },
		{ "monitor", config->host.monitor, "set paths.monitor, or install mayfly whole",
		  X_OK },
		{ "guest kernel", config->kernel, "set paths.kernel, or run `make guest`", R_OK },
		{ "initrd", config->initrd, "set paths.initrd, or run `make guest`", R_OK },
		{ "base image", config->image, "set paths.image, or run `make guest`", R_OK },
	};
	char text[1024];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		bool good = access(files[i].path, files[i].access) == 0;

		if (good)
			(void)snprintf(text, sizeof(text), "%s: %s", files[i].what, files[i].path);
		else
			(void)snprintf(text, sizeof(text), "%s: %s: %s. Mend: %s", files[i].what,
				       files[i].path, err_errno_text(errno), files[i].mend);
		report(findings, good, text);
	}
}

/* A keeper that has looked and ends with an error only counts its bad news once more. */
static void check_kernel(struct findings *findings, const struct config *config)
{
	static const char *const args[] = { "--doctor", NULL };
	char text[ERR_TEXT_MAX + 64];
	struct err err;

	if (tool_run(config, args, take_record, findings, &err) >= 0 || findings->keeper_looked)
		return;
	(void)snprintf(text, sizeof(text), "%s: the keeper's checks did not run: %s",
		       findings->only != NULL ? findings->only : "host", err.text);
	report(findings, false, text);
}

static int read_options(struct cli *cli, int argc, char **argv, struct findings *findings,
			struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0)
		findings->only = value;
	if (id < 0)
		return -1;
	(void)opt_rest(&opts, &n);
	return n == 0 ? 0 : cli_usage(cli, err, "too many words");
}

int verb_doctor(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct findings findings = { 0 };

	if (read_options(cli, argc, argv, &findings, err) < 0 || cli_begin(cli, err) < 0)
		return -1;
	findings.json = cli->json;
	if (cli->json)
		findings.list = json_array();
	check_files(&findings, &cli->config);
	(void)fflush(stdout);
	check_kernel(&findings, &cli->config);
	if (findings.n == 0)
		return err_set(err, ERR_USAGE, "--only %.60s: no such check", findings.only);
	if (cli->json && json_print(findings.list, err) < 0)
		return -1;
	return findings.n_bad == 0 ? 0 : ERR_FAILED;
}
