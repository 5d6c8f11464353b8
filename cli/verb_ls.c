/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "cli/entryview.h"
#include "cli/json.h"
#include "cli/list.h"
#include "cli/specview.h"
#include "cli/target.h"
#include "cli/text.h"
#include "store/entry.h"
#include "store/labels.h"
#include "store/status.h"

enum { LS_LABEL = OPT_LONG + 1 };

#define LS_MAX_LABELS 16

const struct opt verb_ls_options[] = {
	{ 'a', "all", NULL, "also what is only left for `mayfly reap`, and the labels" },
	{ LS_LABEL, "label", "KEY[=VALUE]", "only those with this label; repeatable" },
	{ 0 },
};

struct listing {
	const struct cli *cli;
	bool all;
	const char *labels[LS_MAX_LABELS]; /* all of them must be there */
	size_t n_labels;
	struct list out;
};

static bool is_listed(const struct listing *listing, const struct store_entry *entry)
{
	for (size_t i = 0; i < listing->n_labels; i++) {
		if (!entry->has_spec || !labels_match(entry->spec.labels, listing->labels[i]))
			return false;
	}
	return listing->all || (entry->state != STORE_EXPIRED && entry->state != STORE_BROKEN);
}

/* One that can't be read doesn't hide the others, but the list isn't whole then. */
static bool add_entry(const char *id, void *arg)
{
	static struct store_entry entry;
	struct listing *listing = arg;
	const struct host_config *host = &listing->cli->config.host;
	char labels[SPEC_LABELS_SIZE];
	struct entryview view;
	long long left_s;
	struct err err;

	if (entry_load(host, id, &entry, &err) < 0 ||
	    entryview_left(host, &entry, &left_s, &err) < 0) {
		list_unread(&listing->out.unread, id, &err);
		return true;
	}
	/* it may be more, and in another state, than what is listed of it */
	list_unread(&listing->out.unread, id, &entry.unread);
	if (!is_listed(listing, &entry))
		return true;
	entryview_make(&view, &entry, left_s);
	if (listing->out.items != NULL) {
		int rc = json_array_append_new(listing->out.items,
					       entryview_json(&entry, &view, false));

		BUG_ON(rc < 0);
	} else {
		text_table_row(&listing->out.table,
			       (const char *const[]){ view.name, view.state, view.owner, view.ends,
						      view.left, view.ipv4,
						      entry.has_spec
							      ? specview_labels(&entry.spec, labels,
										sizeof(labels))
							      : "" });
	}
	explicit_bzero(&entry, sizeof(entry));
	return true;
}

static int take_label(struct listing *listing, const char *filter, struct err *err)
{
	if (!labels_is_filter(filter))
		return err_set(err, ERR_USAGE, "--label %.80s: neither KEY nor KEY=VALUE", filter);
	if (listing->n_labels == LS_MAX_LABELS)
		return err_set(err, ERR_USAGE, "--label: at most %d times", LS_MAX_LABELS);
	listing->labels[listing->n_labels++] = filter;
	return 0;
}

int verb_ls(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	struct listing listing = { .cli = cli };
	const char *value;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == 'a')
			listing.all = true;
		else if (take_label(&listing, value, err) < 0)
			return -1;
	}
	if (id < 0)
		return -1;
	(void)opt_rest(&opts, &n);
	if (n > 0)
		return cli_usage(cli, err, "too many words");
	if (cli_begin(cli, err) < 0)
		return -1;
	listing.out.table.n_columns = listing.all ? 7 : 6;
	if (cli->json)
		listing.out.items = json_array();
	else
		text_table_row(&listing.out.table,
			       (const char *const[]){ "NAME", "STATE", "OWNER", "ENDS", "LEFT",
						      "ADDRESS", "LABELS" });
	if (entry_each(&cli->config.host, add_entry, &listing, err) < 0)
		return -1;
	return list_print(&listing.out, err);
}

static void lines_of_end(struct text_table *table, const struct end_record *end)
{
	char text[256], date[STR_INSTANT_SIZE];

	(void)snprintf(text, sizeof(text), "%s at %s%s%.111s", status_reason_word(end->reason),
		       str_from_instant(end->at_s, date, sizeof(date)),
		       end->text[0] != '\0' ? ": " : "", end->text);
	specview_line(table, "last end", text);
}

static void print_entry(const struct store_entry *entry, const struct entryview *view)
{
	struct text_table table = { .n_columns = 2 };
	char text[64];

	specview_line(&table, "name", view->name);
	specview_line(&table, "id", entry->id);
	specview_line(&table, "state", view->state);
	specview_line(&table, "owner", view->owner);
	specview_line(&table, "ends", view->ends);
	specview_line(&table, "left", view->left);
	specview_line(&table, "disk until", view->disk_until);
	specview_line(&table, "ipv4", view->ipv4);
	specview_line(&table, "ipv6", view->ipv6);
	if (entry->has_deadline && entry->deadline.renewals > 0) {
		(void)snprintf(text, sizeof(text), "%u", entry->deadline.renewals);
		specview_line(&table, "renewals", text);
	}
	if (entry->has_spec)
		specview_lines(&table, &entry->spec);
	if (view->ipv4[0] != '\0')
		specview_line(&table, "cgroup", entry->status.cgroup);
	if (entry->has_end)
		lines_of_end(&table, &entry->end);
	if (entry->state == STORE_QUARANTINED)
		specview_line(&table, "left over", entry->residue);
	text_table_print(&table, stdout);
	text_table_free(&table);
}

int verb_show(struct cli *cli, int argc, char **argv, struct err *err)
{
	static struct store_entry entry;
	struct entryview view;
	char id[ID_SIZE];
	long long left_s;
	int n, rc = 0;
	char **words = opt_words(cli, argc, argv, 1, 1, &n, err);

	if (words == NULL || cli_begin(cli, err) < 0 ||
	    target_find(&cli->config.host, words[0], id, err) < 0 ||
	    entry_load(&cli->config.host, id, &entry, err) < 0 ||
	    entryview_left(&cli->config.host, &entry, &left_s, err) < 0)
		return -1;
	entryview_make(&view, &entry, left_s);
	if (cli->json)
		rc = json_print(entryview_json(&entry, &view, true), err);
	else
		print_entry(&entry, &view);
	if (rc == 0 && entry.unread.code != ERR_NONE) {
		*err = entry.unread;
		rc = err_wrap(err, "%s", words[0]);
	}
	explicit_bzero(&entry, sizeof(entry));
	return rc;
}
