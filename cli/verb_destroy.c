/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * destroy converges to absence: a running sandbox is asked through its keeper; one whose keeper is
 * gone or does not answer is torn down by the keeper as a tool, which needs nobody's cooperation.
 * Several are ended side by side: the kernel's grace periods then coalesce.
 */
#include "cli/verbs.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/before.h"
#include "cli/client.h"
#include "cli/progress.h"
#include "cli/request.h"
#include "cli/many.h"
#include "cli/target.h"
#include "cli/tool.h"
#include "store/entry.h"

#define ANSWER_SLACK_S 30 /* beyond the graceful stop, until the tool takes over */

enum { DESTROY_TIMEOUT = OPT_LONG + 1, DESTROY_DRY_RUN };

const struct opt verb_destroy_options[] = {
	{ 'f', "force", NULL, "without asking the guest to stop first" },
	{ DESTROY_TIMEOUT, "timeout", "DURATION", "wait no longer for their end (exit code 124)" },
	{ DESTROY_DRY_RUN, "dry-run", NULL, "say what would be ended" },
	{ 0 },
};

struct order {
	const struct config *config;
	bool force, dry_run;
	uint32_t timeout_s; /* 0: as long as it takes */
	int64_t since_ms;
	struct progress progress;
};

struct victim {
	const char *name;
	char id[ID_SIZE];
	int fd; /* control socket that has been asked; -1: none */
	bool found;
	struct err err; /* code ERR_NONE: it is gone */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &ts) < 0);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void ask(struct victim *victim, const struct order *order)
{
	struct ctl_request request = { .type = CTL_DESTROY, .force = order->force };
	struct err ignored;

	victim->fd = client_open(&order->config->host, victim->id, victim->name, &ignored);
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

/* The first second of waiting passes unseen. */
static void show_wait(const struct victim *victim, struct progress *progress)
{
	struct pollfd pollfd = { .fd = victim->fd, .events = POLLIN };
	int due_ms;

	progress_say(progress, "ending %s", victim->name);
	due_ms = progress_due_ms(progress);
	if (victim->fd >= 0 && due_ms >= 0 && poll(&pollfd, 1, due_ms) == 0)
		progress_tick(progress);
}

/*
 * A keeper's "residue" is the answer; whatever else went wrong with asking it, the tool tries once
 * more.
 */
static void finish(struct victim *victim, struct order *order)
{
	int timeout_ms = (int)(order->config->host.stop_timeout_s + ANSWER_SLACK_S) * 1000;
	int64_t left_ms = order->since_ms + (int64_t)order->timeout_s * 1000 - now_ms();
	bool short_of_time = order->timeout_s != 0 && left_ms < timeout_ms;
	const struct ctl_request request = { .type = CTL_DESTROY, .force = order->force };
	struct ctl_record answer;

	show_wait(victim, &order->progress);
	if (short_of_time)
		timeout_ms = left_ms > 0 ? (int)left_ms : 0;
	if (victim->fd >= 0 &&
	    client_answer_to(victim->fd, &request, timeout_ms, &answer, NULL, &victim->err) == 0)
		return;
	if (victim->fd >= 0 && victim->err.code == ERR_RESIDUE)
		return;
	if (victim->fd >= 0 && short_of_time && victim->err.code == ERR_TIMEOUT) {
		(void)err_set(&victim->err, ERR_TIMEOUT,
			      "not gone within %u s; its keeper goes on ending it",
			      order->timeout_s);
		return;
	}
	victim->err.code = ERR_NONE;
	if (tear_down(victim, order->config, order->force || victim->fd >= 0, &victim->err) == 0 ||
	    victim->err.code == ERR_NOT_FOUND) /* it went while we asked */
		victim->err.code = ERR_NONE;
}

static int report(const struct victim *victims, int n, bool json, struct err *err)
{
	struct many failures = { .list = json ? json_array() : NULL };

	for (int i = 0; i < n; i++)
		many_done(&failures, victims[i].name, victims[i].id, &victims[i].err);
	return many_result(&failures, err);
}

/* NULL with err, or the names. */
static char **read_words(struct cli *cli, int argc, char **argv, struct order *order, int *n,
			 struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	char **names;
	int id;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == 'f')
			order->force = true;
		else if (id == DESTROY_DRY_RUN)
			order->dry_run = true;
		else if (request_take_timeout(&order->timeout_s, value, err) < 0)
			return NULL;
	}
	if (id < 0)
		return NULL;
	names = opt_rest(&opts, n);
	if (*n < 1) {
		(void)cli_usage(cli, err, "the name is missing");
		return NULL;
	}
	return names;
}

/* What destroy would end, and what else of it goes. */
static void say_victim(struct victim *victim, const struct host_config *host, bool json)
{
	static struct store_entry entry;

	if (entry_load(host, victim->id, &entry, &victim->err) < 0)
		return;
	if (!json)
		(void)printf("%s (%s), %s%s, would be destroyed\n", victim->name, victim->id,
			     entry_state_word(entry.state),
			     entry.has_spec && entry.spec.disk_bytes > 0 ? ", with its disk" : "");
	explicit_bzero(&entry, sizeof(entry));
}

int verb_destroy(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct order order = { .config = &cli->config, .since_ms = now_ms() };
	struct victim *victims;
	int n, rc;
	char **names = read_words(cli, argc, argv, &order, &n, err);

	if (names == NULL || cli_begin(cli, err) < 0)
		return -1;
	progress_begin(&order.progress);
	victims = calloc((size_t)n, sizeof(*victims));
	BUG_ON(victims == NULL);
	for (int i = 0; i < n; i++) {
		victims[i] = (struct victim){ .name = names[i], .fd = -1 };
		victims[i].found = target_find(&cli->config.host, names[i], victims[i].id,
					       &victims[i].err) == 0;
		if (victims[i].found && !order.dry_run)
			ask(&victims[i], &order);
	}
	for (int i = 0; i < n; i++) {
		if (!victims[i].found)
			continue;
		if (order.dry_run)
			say_victim(&victims[i], &cli->config.host, cli->json);
		else
			finish(&victims[i], &order);
		if (victims[i].err.code != ERR_NONE)
			(void)err_wrap(&victims[i].err, "%s", names[i]);
		fd_close(&victims[i].fd);
	}
	progress_erase(&order.progress);
	rc = report(victims, n, cli->json, err);
	free(victims);
	if (!order.dry_run) /* not before: what was named is to end as destroyed */
		before_reap(cli);
	return rc;
}
