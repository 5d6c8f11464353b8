/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * doctor: can this host run sandboxes? The keeper looks at the kernel; here we look at programs and
 * files.
 */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "cli/guestfile.h"
#include "cli/handover.h"
#include "cli/json.h"
#include "cli/policy.h"
#include "cli/resolv.h"
#include "cli/text.h"
#include "cli/tool.h"

enum { DOCTOR_ONLY = OPT_LONG + 1 };

const struct opt verb_doctor_options[] = {
	{ DOCTOR_ONLY, "only", "CHECK", "one check, by the word in front of its colon" },
	{ 0 },
};

struct findings {
	const char *only; /* NULL: all */
	unsigned n, n_bad;
	bool keeper_looked;
	json_t *list; /* NULL: print lines */
};

enum level { LEVEL_OK, LEVEL_NOTE, LEVEL_BAD };

static bool is_wanted(const struct findings *findings, const char *check)
{
	return findings->only == NULL || strcmp(findings->only, check) == 0;
}

/* text is "CHECK: sentence", then ERR_MEND and the mend unless all is well. */
static void report(struct findings *findings, enum level level, const char *check, const char *text)
{
	static const char *const words[] = { "ok", "note", "bad" };
	static const char *const marks[] = { "ok", "note", "BAD" };
	const char *mend = strstr(text, ERR_MEND), *sentence = text + strlen(check) + 2;
	char line[1024];
	json_t *item;
	int rc;

	findings->n++;
	findings->n_bad += level == LEVEL_BAD;
	if (findings->list == NULL) {
		(void)printf("%-4s %s\n", marks[level], text_line(text, line, sizeof(line)));
		return;
	}
	item = json_object();
	rc = json_array_append_new(findings->list, item);
	BUG_ON(rc < 0);
	json_put_text(item, "check", check);
	json_put_text(item, "level", words[level]);
	(void)snprintf(line, sizeof(line), "%.*s",
		       mend != NULL ? (int)(mend - sentence) : (int)strlen(sentence), sentence);
	json_put_text(item, "text", line);
	json_put_optional(item, "mend", mend != NULL ? mend + strlen(ERR_MEND) : "");
}

static void take_record(void *arg, const struct ctl_record *record)
{
	struct findings *findings = arg;
	const char *colon = strchr(record->text, ':');
	enum level level = record->type == CTL_NOTE ? LEVEL_NOTE
			   : record->code == 0	    ? LEVEL_OK
						    : LEVEL_BAD;
	char check[64];

	if ((record->type != CTL_ITEM && record->type != CTL_NOTE) || colon == NULL)
		return;
	findings->keeper_looked = true;
	(void)snprintf(check, sizeof(check), "%.*s", (int)(colon - record->text), record->text);
	if (is_wanted(findings, check) && colon[1] == ' ')
		report(findings, level, check, record->text);
}

/* A program, or (kind) a file that the guest gets: looked at as create does. */
struct needed_file {
	const char *check, *key, *path, *mend;
	bool program;
	enum guestfile_kind kind;
};

static int look(const struct needed_file *file, const struct host_config *host, struct err *err)
{
	if (!file->program)
		return handover_check(host, file->kind, file->key, file->path, err);
	return access(file->path, X_OK) == 0 ? 0 : err_sys(err, "%s %.200s", file->key, file->path);
}

static void check_files(struct findings *findings, const struct config *config)
{
	static const char whole[] = "install mayfly whole, or correct the path";
	static const char guest[] = "run `make guest`, or correct the path";
	const struct needed_file files[] = {
		{ "keeper", "paths.keeper", config->keeper, whole, true, 0 },
		{ "monitor", "paths.monitor", config->host.monitor, whole, true, 0 },
		{ "guest-kernel", "paths.kernel", config->kernel, guest, false, GUESTFILE_KERNEL },
		{ "initrd", "paths.initrd", config->initrd, guest, false, GUESTFILE_INITRD },
		{ "image", "paths.image", config->image, guest, false, GUESTFILE_IMAGE },
	};
	char text[1024];
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		bool good;

		if (!is_wanted(findings, files[i].check))
			continue;
		good = look(&files[i], &config->host, &err) == 0;
		(void)snprintf(text, sizeof(text), "%s: %s%s%s", files[i].check,
			       good ? files[i].path : err.text, good ? "" : ERR_MEND,
			       good ? "" : files[i].mend);
		report(findings, good ? LEVEL_OK : LEVEL_BAD, files[i].check, text);
	}
}

/* Names are the CLI's to choose: the keeper reads no configuration. */
static void check_resolvers(struct findings *findings, const struct config *config)
{
	char servers[SPEC_MAX_RESOLVERS][46] = { "" }, text[1024];

	if (!is_wanted(findings, "resolvers"))
		return;
	resolv_choose(config->resolvers, servers);
	if (servers[0][0] == '\0')
		(void)snprintf(text, sizeof(text), "resolvers: " RESOLV_NONE ERR_MEND RESOLV_MEND);
	else
		(void)snprintf(text, sizeof(text), "resolvers: sandboxes ask %s%s%s%s%s",
			       servers[0], servers[1][0] != '\0' ? ", " : "", servers[1],
			       servers[2][0] != '\0' ? ", " : "", servers[2]);
	report(findings, servers[0][0] != '\0' ? LEVEL_OK : LEVEL_NOTE, "resolvers", text);
}

/* What this site lets whoever asks do: its own decision, so never bad news of the host. */
static void check_policy(struct findings *findings, const struct config *config)
{
	char summary[ERR_TEXT_MAX], text[ERR_TEXT_MAX + 160];
	int full;

	if (!is_wanted(findings, "policy"))
		return;
	full = policy_summary(config, summary, sizeof(summary));
	(void)snprintf(text, sizeof(text), "policy: %s%s", summary,
		       full ? ERR_MEND
			       "ask who runs this host, or see [policy] of its configuration"
			    : "");
	report(findings, full ? LEVEL_NOTE : LEVEL_OK, "policy", text);
}

/* A keeper that has looked and ends with an error only counts its bad news once more. */
static void check_kernel(struct findings *findings, const struct config *config)
{
	const char *const args[] = { "--doctor", findings->only != NULL ? "--only" : NULL,
				     findings->only, NULL };
	char text[ERR_TEXT_MAX + 96];
	struct err err;
	int code;

	if (findings->only != NULL && findings->n > 0) /* it was one of the files */
		return;
	code = tool_run(config, args, take_record, findings, &err);
	if (findings->keeper_looked || (code == 0 && findings->only != NULL))
		return;
	if (code >= 0)
		(void)err_set(&err, ERR_FAILED, "it ends with code %d and says nothing", code);
	(void)snprintf(text, sizeof(text),
		       "host: the keeper's checks did not run: %s" ERR_MEND "%s", err.text,
		       "see the check `keeper`");
	report(findings, LEVEL_BAD, "host", text);
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
	if (cli->json)
		findings.list = json_array();
	check_files(&findings, &cli->config);
	check_resolvers(&findings, &cli->config);
	check_policy(&findings, &cli->config);
	(void)fflush(stdout);
	check_kernel(&findings, &cli->config);
	if (findings.n == 0)
		return err_set(err, ERR_USAGE, "--only %.60s: no such check", findings.only);
	if (cli->json && json_print(findings.list, err) < 0)
		return -1;
	return findings.n_bad == 0 ? 0 : ERR_FAILED;
}
