/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* image and kernel: what sandboxes can be started from, and which are. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/catalogue.h"
#include "cli/digest.h"
#include "cli/json.h"
#include "cli/specview.h"
#include "cli/text.h"
#include "store/entry.h"

#define USERS_SIZE 1024

struct looking {
	const struct cli *cli;
	enum guestfile_kind kind;
	const char *only; /* a path; NULL: all */
	bool found;
	struct text_table table;
	json_t *list;
};

/* ---- who uses it ---- */

struct users {
	const struct host_config *host;
	const struct catalogue_item *item;
	json_t *names;
};

static bool add_user(const char *id, void *arg)
{
	static struct store_entry entry;
	struct users *users = arg;
	struct err ignored;

	if (entry_load(users->host, id, &entry, &ignored) == 0 && entry.has_spec &&
	    strcmp(users->item->kind == GUESTFILE_KERNEL ? entry.spec.kernel : entry.spec.image,
		   users->item->path) == 0)
		(void)json_array_append_new(users->names, json_string(entry.spec.name));
	explicit_bzero(&entry, sizeof(entry));
	return true;
}

static json_t *users_of(const struct host_config *host, const struct catalogue_item *item)
{
	struct users users = { host, item, json_array() };
	struct err err;

	if (entry_each(host, add_user, &users, &err) < 0)
		log_warning("%s", err.text);
	return users.names;
}

/* ---- printing ---- */

static json_t *item_json(const struct catalogue_item *item, const struct catalogue_facts *facts,
			 json_t *users)
{
	json_t *object = json_object();
	char hex[DIGEST_TEXT_SIZE];

	json_put_text(object, "name", item->name);
	json_put_text(object, "path", item->path);
	json_put_number(object, "size_bytes", (long long)facts->size);
	json_put_instant(object, "made", facts->made_s);
	json_put_text(object, "sha256", digest_text(facts->digest, hex));
	json_put_text(object, "check", catalogue_check_word(facts->check));
	if (item->kind == GUESTFILE_KERNEL)
		json_put_optional(object, "version", facts->version);
	(void)json_object_set_new(object, "used_by", users);
	return object;
}

static void print_item(const struct catalogue_item *item, const struct catalogue_facts *facts,
		       const json_t *users)
{
	struct text_table table = { .n_columns = 2 };
	char text[32], hex[DIGEST_TEXT_SIZE];

	specview_line(&table, "name", item->name);
	specview_line(&table, "path", item->path);
	specview_line(&table, "version", facts->version);
	specview_line(&table, "size", str_from_size(facts->size, text, sizeof(text)));
	specview_line(&table, "made", str_from_instant(facts->made_s, text, sizeof(text)));
	specview_line(&table, "SHA-256", digest_text(facts->digest, hex));
	specview_line(&table, "check", catalogue_check_word(facts->check));
	for (size_t i = 0; i < json_array_size(users); i++)
		specview_line(&table, i == 0 ? "used by" : "",
			      json_string_value(json_array_get(users, i)));
	text_table_print(&table, stdout);
	text_table_free(&table);
}

static void add_row(struct looking *looking, const struct catalogue_item *item,
		    const struct catalogue_facts *facts, const json_t *users)
{
	char size[32], made[STR_INSTANT_SIZE], digest[DIGEST_TEXT_SIZE], used[16], name[256];

	(void)str_from_size(facts->size, size, sizeof(size));
	(void)str_from_instant(facts->made_s, made, sizeof(made));
	(void)digest_text(facts->digest, digest);
	digest[12] = '\0'; /* the beginning tells them apart */
	(void)snprintf(used, sizeof(used), "%zu", json_array_size(users));
	text_table_row(&looking->table,
		       (const char *const[]){ text_line(item->name, name, sizeof(name)), size, made,
					      digest, catalogue_check_word(facts->check), used,
					      facts->version });
}

/* One that can't be read is told, and doesn't hide the others. */
static bool look_at(const struct catalogue_item *item, void *arg)
{
	struct looking *looking = arg;
	const struct host_config *host = &looking->cli->config.host;
	struct catalogue_facts facts;
	struct err err;
	json_t *users;
	int rc = 0;

	if (catalogue_look(host, item, &facts, &err) < 0) {
		log_warning("%s", err.text);
		return true;
	}
	users = users_of(host, item);
	if (looking->list != NULL)
		rc = json_array_append_new(looking->list, item_json(item, &facts, users));
	else {
		add_row(looking, item, &facts, users);
		json_decref(users);
	}
	BUG_ON(rc < 0);
	return true;
}

static int list_all(struct cli *cli, enum guestfile_kind kind, struct err *err)
{
	struct looking looking = { .cli = cli, .kind = kind };

	looking.table.n_columns = kind == GUESTFILE_KERNEL ? 7 : 6;
	if (cli->json)
		looking.list = json_array();
	else
		text_table_row(&looking.table,
			       (const char *const[]){ "NAME", "SIZE", "MADE", "SHA-256", "CHECK",
						      "USED", "VERSION" });
	if (catalogue_each(&cli->config, kind, look_at, &looking, err) < 0)
		return -1;
	if (cli->json)
		return json_print(looking.list, err);
	text_table_print(&looking.table, stdout);
	text_table_free(&looking.table);
	return 0;
}

static int show_one(struct cli *cli, enum guestfile_kind kind, const char *word, struct err *err)
{
	struct catalogue_item item = { .kind = kind };
	struct catalogue_facts facts;
	char path[SPEC_PATH_SIZE];
	json_t *users;
	auto_fd fd = -1;

	if (catalogue_find(&cli->config, kind, cli->verb->name, word, path, err) < 0) {
		err->code = ERR_NOT_FOUND; /* as a flag's value it would be wrong usage */
		return -1;
	}
	fd = guestfile_open(kind, cli->verb->name, path, item.path, err);
	if (fd < 0)
		return -1;
	(void)str_copy(item.name, sizeof(item.name), strchr(word, '/') == NULL ? word : "");
	if (catalogue_look(&cli->config.host, &item, &facts, err) < 0)
		return -1;
	users = users_of(&cli->config.host, &item);
	if (cli->json)
		return json_print(item_json(&item, &facts, users), err);
	print_item(&item, &facts, users);
	json_decref(users);
	return 0;
}

static int run(struct cli *cli, enum guestfile_kind kind, int argc, char **argv, struct err *err)
{
	int n;
	char **words = opt_words(cli, argc, argv, 0, 2, &n, err);

	if (words == NULL)
		return -1;
	if (n == 0 || (strcmp(words[0], "ls") == 0 && n == 1))
		return cli_begin(cli, err) < 0 ? -1 : list_all(cli, kind, err);
	if (strcmp(words[0], "show") == 0 && n == 2)
		return cli_begin(cli, err) < 0 ? -1 : show_one(cli, kind, words[1], err);
	return cli_usage(cli, err, "ls, or show with one name or file");
}

int verb_image(struct cli *cli, int argc, char **argv, struct err *err)
{
	return run(cli, GUESTFILE_IMAGE, argc, argv, err);
}

int verb_kernel(struct cli *cli, int argc, char **argv, struct err *err)
{
	return run(cli, GUESTFILE_KERNEL, argc, argv, err);
}
