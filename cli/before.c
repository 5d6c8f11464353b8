/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/before.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/ledger.h"
#include "cli/text.h"
#include "cli/tool.h"
#include "store/deadline.h"
#include "store/entry.h"

struct due {
	const struct cli *cli;
	bool any;
};

static void ignore(void *arg, const struct ctl_record *record)
{
	(void)arg;
	(void)record;
}

/* A tool's look at what could not be removed: it answers at once, where a reap would try for seconds. */
static bool is_free_again(const struct cli *cli, const char *id)
{
	const char *const args[] = { "--stuck", id, NULL };
	struct err ignored;

	return tool_run(&cli->config, args, ignore, NULL, &ignored) == 0;
}

static bool is_overdue(const struct host_config *host, const struct store_entry *entry)
{
	struct clock_record clock = { 0 };
	struct deadline_now now;
	struct deadline_verdict verdict;
	struct err ignored;

	if (!entry->has_deadline || deadline_now(&now, &ignored) < 0)
		return false;
	(void)deadline_clock(host, &now, true, &clock, &ignored);
	verdict = deadline_check(&entry->deadline, &clock, &now);
	return deadline_is_overdue(&verdict, host->stop_timeout_s);
}

static bool look(const char *id, void *arg)
{
	static struct store_entry entry; /* too large for a stack */
	struct due *due = arg;
	const struct host_config *host = &due->cli->config.host;
	struct err ignored;

	if (entry_load(host, id, &entry, &ignored) < 0)
		return true; /* it ended while we looked */
	switch (entry.state) {
	case STORE_BROKEN:
	case STORE_EXPIRED:
		due->any = true;
		break;
	case STORE_QUARANTINED:
		due->any = is_free_again(due->cli, id);
		break;
	default:
		due->any = is_overdue(host, &entry);
	}
	explicit_bzero(&entry, sizeof(entry));
	return !due->any;
}

struct ended {
	size_t n, len;
	char text[400];
};

static void take_ended(void *arg, const struct ctl_record *record)
{
	struct ended *ended = arg;
	char line[128], who[64];

	if (record->type != CTL_ITEM || record->code != 0)
		return;
	if (ended->n++ > 0 && ended->len + 2 < sizeof(ended->text))
		ended->len += (size_t)snprintf(ended->text + ended->len,
					       sizeof(ended->text) - ended->len, "; ");
	if (ended->len + 160 < sizeof(ended->text))
		ended->len += (size_t)snprintf(
			ended->text + ended->len, sizeof(ended->text) - ended->len, "%s: %s",
			text_line(record->name[0] != '\0' ? record->name : record->id, who,
				  sizeof(who)),
			text_line(record->text, line, sizeof(line)));
}

void before_reap(const struct cli *cli)
{
	const char *const args[] = { "--reap", NULL };
	struct due due = { .cli = cli };
	struct ended ended = { 0 };
	struct err ignored;

	if (entry_each(&cli->config.host, look, &due, &ignored) < 0 || !due.any)
		return;
	(void)tool_run(&cli->config, args, take_ended, &ended, &ignored);
	if (ended.n > 0)
		log_info("ended before this command (%zu): %s", ended.n, ended.text);
}

void before_fold(const struct cli *cli)
{
	ledger_refresh(&cli->config.host);
}
