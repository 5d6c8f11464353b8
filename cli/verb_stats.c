/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* stats: what sandboxes use, once or again and again. Only reads. */
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/str.h"
#include "cli/json.h"
#include "cli/list.h"
#include "cli/sample.h"
#include "cli/many.h"
#include "cli/target.h"
#include "cli/text.h"
#include "store/entry.h"

#define MAX_INTERVAL_S	 86400
#define DEFAULT_INTERVAL 2
#define REDRAW		 "\033[H\033[J" /* to the upper left corner, and clear from there */

enum { STATS_INTERVAL = OPT_LONG + 1 };

const struct opt verb_stats_options[] = {
	{ 'f', "live", NULL, "again and again, until interrupted or nothing is left to show" },
	{ STATS_INTERVAL, "interval", "DURATION", "how often, with --live: 2s unless told" },
	{ 0 },
};

struct stats {
	struct cli *cli;
	bool live;
	uint64_t interval_s;
	char **names; /* n_names 0: all that run */
	int n_names;
	struct sample *now, *before;
	size_t n_now, n_before, room;
	struct err unread; /* of `now`: why one isn't there that should be */
};

static int read_options(struct stats *stats, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = stats->cli, .argc = argc, .argv = argv };
	const char *value;
	int id;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == 'f')
			stats->live = true;
		else if (!str_to_duration(value, &stats->interval_s) ||
			 stats->interval_s > MAX_INTERVAL_S)
			return err_set(err, ERR_USAGE,
				       "--interval %.60s: write it as 2s or 1m, at most a day",
				       value);
	}
	if (id < 0)
		return -1;
	stats->names = opt_rest(&opts, &stats->n_names);
	return 0;
}

static int add(struct stats *stats, const char *id, struct err *err)
{
	static struct store_entry entry;

	if (entry_load(&stats->cli->config.host, id, &entry, err) < 0)
		return -1;
	if (stats->n_names == 0 && entry.state != STORE_RUNNING && entry.state != STORE_ENDING)
		return 0;
	if (stats->n_now == stats->room) {
		stats->room = stats->room * 2 + 16;
		stats->now = reallocarray(stats->now, stats->room, sizeof(*stats->now));
		BUG_ON(stats->now == NULL);
	}
	sample_take(&stats->now[stats->n_now++], &entry);
	explicit_bzero(&entry, sizeof(entry));
	return 0;
}

static bool add_any(const char *id, void *arg)
{
	struct stats *stats = arg;
	struct err err;

	if (add(stats, id, &err) < 0)
		list_unread(&stats->unread, id, &err);
	return true;
}

/* Take a sample of all that is asked for; what isn't there is an error. */
static int take(struct stats *stats, bool first, struct err *err)
{
	const struct host_config *host = &stats->cli->config.host;
	struct many failures = { .code = ERR_NONE };
	char id[ID_SIZE];

	if (stats->n_names == 0) {
		stats->unread.code = ERR_NONE;
		if (entry_each(host, add_any, stats, err) < 0)
			return -1;
		*err = stats->unread;
		return stats->unread.code == ERR_NONE ? 0 : -1;
	}
	for (int i = 0; i < stats->n_names; i++) {
		if ((target_find(host, stats->names[i], id, err) < 0 || add(stats, id, err) < 0) &&
		    first)
			many_failed(&failures, err);
	}
	return many_result(&failures, err);
}

static const struct sample *earlier(const struct stats *stats, const struct sample *now)
{
	for (size_t i = 0; i < stats->n_before; i++)
		if (strcmp(stats->before[i].id, now->id) == 0)
			return &stats->before[i];
	return NULL;
}

static const char *size_text(uint64_t bytes, char text[32])
{
	(void)snprintf(text, 32, "-");
	return bytes == SAMPLE_NONE ? text : str_from_size(bytes, text, 32);
}

static void add_row(struct text_table *table, const struct sample *before, const struct sample *now)
{
	char percent[32] = "-", time_text[32] = "-", memory[32], limit[32], disk[32], in[32],
	     out[32];
	double cpu = sample_cpu_percent(before, now);

	if (cpu >= 0)
		(void)snprintf(percent, sizeof(percent), "%.1f%%", cpu);
	if (now->cpu_us != SAMPLE_NONE)
		(void)snprintf(time_text, sizeof(time_text), "%.1fs", (double)now->cpu_us / 1e6);
	text_table_row(table, (const char *const[]){ now->name, percent, time_text,
						     size_text(now->memory_bytes, memory),
						     size_text(now->memory_limit_bytes, limit),
						     size_text(now->disk_bytes, disk),
						     size_text(now->net_received_bytes, in),
						     size_text(now->net_sent_bytes, out) });
}

static void print_table(const struct stats *stats)
{
	struct text_table table = { .n_columns = 8 };

	text_table_row(&table, (const char *const[]){ "NAME", "CPU", "TIME", "MEMORY", "OF", "DISK",
						      "RECEIVED", "SENT" });
	for (size_t i = 0; i < stats->n_now; i++)
		add_row(&table, earlier(stats, &stats->now[i]), &stats->now[i]);
	if (stats->live && isatty(STDOUT_FILENO) == 1)
		(void)fputs(REDRAW, stdout);
	text_table_print(&table, stdout);
	text_table_free(&table);
}

/* Once: an array. Live: a line {"at": …, "sandboxes": […]} each time. */
static int print_json(const struct stats *stats, struct err *err)
{
	json_t *list = json_array(), *line;
	int rc = 0;

	for (size_t i = 0; i < stats->n_now; i++)
		rc |= json_array_append_new(
			list, sample_json(earlier(stats, &stats->now[i]), &stats->now[i]));
	if (stats->live) {
		line = json_object();
		json_put_instant(line, "at", time(NULL));
		rc |= json_object_set_new(line, "sandboxes", list);
		BUG_ON(rc < 0);
		return json_print_line(line, err);
	}
	BUG_ON(rc < 0);
	return json_print(list, err);
}

static int print(const struct stats *stats, struct err *err)
{
	if (stats->cli->json)
		return print_json(stats, err);
	print_table(stats);
	if (fflush(stdout) == EOF)
		return err_sys(err, "can't write to stdout");
	return 0;
}

int verb_stats(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct stats stats = { .cli = cli, .interval_s = DEFAULT_INTERVAL };
	bool first = true;
	int found, rc;

	if (read_options(&stats, argc, argv, err) < 0 || cli_begin(cli, err) < 0)
		return -1;
	do {
		if (!first)
			(void)sleep((unsigned)stats.interval_s);
		free(stats.before);
		stats.before = stats.now;
		stats.n_before = stats.n_now;
		stats.now = NULL;
		stats.n_now = stats.room = 0;
		found = take(&stats, first, err);
		if (stats.n_now == 0 && stats.n_names > 0) {
			rc = first ? -1 : 0; /* all of them have gone */
			break;
		}
		rc = print(&stats, err);
		if (rc == 0 && !stats.live)
			rc = found;
		first = false;
	} while (rc == 0 && stats.live);
	free(stats.before);
	free(stats.now);
	return rc;
}
