/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * start: bring stopped sandboxes up again, one after the other. --foreground is what a unit runs: this process becomes
 * the keeper. --all is for boot: what the host stopped comes back, what a person stopped stays.
 */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/entryview.h"
#include "cli/become.h"
#include "cli/many.h"
#include "cli/request.h"
#include "cli/rest.h"
#include "cli/start.h"
#include "cli/target.h"
#include "cli/tool.h"
#include "store/entry.h"
#include "store/rest.h"
#include "store/status.h"

enum { START_FOREGROUND = OPT_LONG + 1, START_ALL, START_TIMEOUT, START_ACCEPT_CHANGED };

const struct opt verb_start_options[] = {
	{ START_FOREGROUND, "foreground", NULL, "stay with it: this process becomes its keeper" },
	{ START_ALL, "all", NULL, "every one that the host stopped, by a reboot or a signal" },
	{ START_TIMEOUT, "timeout", "DURATION",
	  "give up waiting when it is not ready by then (exit code 124)" },
	{ START_ACCEPT_CHANGED, "accept-changed", NULL,
	  "even with a kernel or image that has changed" },
	{ 0 },
};

struct what {
	struct cli *cli;
	struct many many;
	uint32_t timeout_s;
	bool foreground, all, accept_changed;
};

static void drop_record(void *arg, const struct ctl_record *record)
{
	(void)arg;
	(void)record;
}

/* Its date has come while it was stopped: nobody has to wait for the timer. */
static int refuse_expired(const struct config *config, struct err *err)
{
	const char *const args[] = { "--reap", NULL };
	struct err ignored;

	(void)tool_run(config, args, drop_record, NULL, &ignored);
	return err_set(err, ERR_FAILED, "its date has come");
}

/* 1: to be started; 0: it runs; -1 with err. */
static int look(const struct config *config, const char *id, struct err *err)
{
	static struct store_entry entry;
	enum store_state state;

	if (entry_load(&config->host, id, &entry, err) < 0)
		return -1;
	state = entry.state;
	if (state == STORE_GRACE)
		(void)rest_check(&entry, err);
	explicit_bzero(&entry, sizeof(entry));
	switch (state) {
	case STORE_CREATING:
	case STORE_RUNNING:
		return 0;
	case STORE_EXPIRED:
		return refuse_expired(config, err);
	case STORE_GRACE:
		return -1;
	case STORE_BROKEN:
		return err_set(
			err, ERR_FAILED,
			"its keeper was killed, which ended it; `mayfly reap` clears it away");
	case STORE_QUARANTINED:
		return entryview_quarantined(&config->host, id, err);
	default:
		return 1; /* one that is ending is waited for */
	}
}

static int start_one(struct what *what, const char *name, const char *id, struct err *err)
{
	static struct spec spec;
	const struct config *config = &what->cli->config;
	struct handover files = HANDOVER_NONE;
	struct start start = { .config = config,
			       .config_path = what->cli->config_path,
			       .spec = &spec,
			       .files = &files,
			       .again = true,
			       .timeout_s = what->timeout_s };
	int rc = look(config, id, err);

	if (rc < 0)
		return err_wrap(err, "%s", name);
	if (rc == 0) {
		log_info("%s runs already", name);
		return 0;
	}
	rc = rest_prepare(config, name, id, &spec, &files, what->accept_changed, err);
	if (rc == 0 && start_sandbox(&start, err) < 0)
		rc = err_wrap(err, "%s", name);
	handover_close(&files);
	explicit_bzero(&spec, sizeof(spec));
	return rc;
}

static void start_named(struct what *what, const char *name)
{
	char id[ID_SIZE] = "";
	struct err err;

	if (target_find(&what->cli->config.host, name, id, &err) == 0 &&
	    start_one(what, name, id, &err) == 0)
		err.code = ERR_NONE;
	many_done(&what->many, name, id, &err);
}

/* ---- --all ---- */

/* One that ran when the host went down: no end was written, or one that names the host. */
static bool is_wanted(const struct store_entry *entry)
{
	return entry->state == STORE_STOPPED && (entry->spec.flags & SPEC_RESTART) &&
	       (!entry->has_end || entry->end.reason == END_HOST_REBOOT ||
		entry->end.reason == END_HOST_STOPPED);
}

static bool start_wanted(const char *id, void *arg)
{
	static struct store_entry entry;
	struct what *what = arg;
	char name[STR_NAME_MAX + 1];
	struct err err;
	bool wanted;

	if (entry_load(&what->cli->config.host, id, &entry, &err) < 0)
		return true;
	wanted = is_wanted(&entry);
	(void)str_copy(name, sizeof(name), entry.spec.name);
	explicit_bzero(&entry, sizeof(entry));
	if (!wanted)
		return true;
	if (start_one(what, name, id, &err) == 0)
		err.code = ERR_NONE;
	many_done(&what->many, name, id, &err);
	if (err.code == ERR_NONE && !what->cli->json)
		(void)printf("%s\n", name);
	(void)fflush(stdout);
	return true;
}

static int read_options(struct cli *cli, int argc, char **argv, struct what *what, char ***names,
			int *n, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	int id;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == START_TIMEOUT && request_take_timeout(&what->timeout_s, value, err) < 0)
			return -1;
		what->foreground |= id == START_FOREGROUND;
		what->all |= id == START_ALL;
		what->accept_changed |= id == START_ACCEPT_CHANGED;
	}
	if (id < 0)
		return -1;
	*names = opt_rest(&opts, n);
	if (what->all && (*n > 0 || what->foreground))
		return cli_usage(cli, err, "--all stands alone");
	if (!what->all && *n < 1)
		return cli_usage(cli, err, "the name is missing");
	if (what->foreground && *n > 1)
		return cli_usage(cli, err, "one name, please, in the foreground");
	return 0;
}

int verb_start(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct what what = { .cli = cli };
	char **names;
	int n;

	if (read_options(cli, argc, argv, &what, &names, &n, err) < 0 || cli_begin(cli, err) < 0)
		return -1;
	if (what.foreground)
		return become_named(&cli->config, names[0], err);
	what.many.list = cli->json ? json_array() : NULL;
	if (what.all && entry_each(&cli->config.host, start_wanted, &what, err) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		start_named(&what, names[i]);
	return many_result(&what.many, err);
}
