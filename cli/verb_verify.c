/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * verify: the receipt of a sandbox that is gone, and a look at the kernel and the file system now, beside each other. The
 * look is the keeper's teardown table (mayfly-keeper --verify), the receipt is what that table wrote when it ended.
 */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/log.h"
#include "cli/json.h"
#include "cli/receipt.h"
#include "cli/target.h"
#include "cli/text.h"
#include "cli/tool.h"
#include "store/entry.h"

#define NAMED_MAX 8

struct verification {
	struct receipt receipt;
	struct text_table table;
	json_t *list; /* NULL: a table */
};

/* One look of the tool's: "KIND: absent look=WORD", "KIND: there look=WORD", "KIND: why it can't be told". */
struct finding {
	const struct ctl_record *record;
	char kind[32], look[32], now[256];
};

static void take_finding(const struct ctl_record *record, struct finding *f)
{
	const char *colon = strstr(record->text, ": "), *rest = colon ? colon + 2 : record->text;
	size_t len = strlen(rest);
	const char *by = strstr(rest, " look=");

	*f = (struct finding){ .record = record };
	if (colon != NULL && (size_t)(colon - record->text) < sizeof(f->kind))
		(void)snprintf(f->kind, sizeof(f->kind), "%.*s", (int)(colon - record->text),
			       record->text);
	if (by != NULL) {
		len = (size_t)(by - rest);
		(void)snprintf(f->look, sizeof(f->look), "%s", by + strlen(" look="));
	}
	(void)snprintf(f->now, sizeof(f->now), "%.*s", (int)len, rest);
}

static void put_object(struct verification *v, const struct finding *f,
		       const struct receipt_row *row)
{
	json_t *object = json_object();
	int rc = json_array_append_new(v->list, object);

	BUG_ON(rc < 0);
	json_put_optional(object, "name", v->receipt.name);
	json_put_text(object, "id", v->receipt.id);
	json_put_optional(object, "kind", row != NULL ? row->kind : f->kind);
	json_put_optional(object, "object", row != NULL ? row->object : "");
	json_put_optional(object, "identity", row != NULL ? row->identity : "");
	json_put_instant(object, "made", row != NULL ? row->made_s : 0);
	json_put_instant(object, "absent", row != NULL ? row->absent_s : 0);
	json_put_optional(object, "absent_by", row != NULL ? row->look : "");
	json_put_bool(object, "ok", f->record->code == 0);
	json_put_text(object, "now", f->now);
	json_put_optional(object, "now_by", f->look);
}

static const char *instant(long long at_s, char text[STR_INSTANT_SIZE])
{
	return at_s != 0 ? str_from_instant(at_s, text, STR_INSTANT_SIZE) : "-";
}

static void put_row(struct verification *v, const struct finding *f, const struct receipt_row *row)
{
	char made[STR_INSTANT_SIZE], absent[STR_INSTANT_SIZE];
	char object[600], now[600], by[40];

	if (v->list != NULL) {
		put_object(v, f, row);
		return;
	}
	(void)text_line(row != NULL ? row->object : "-", object, sizeof(object));
	(void)text_line(f->now, now, sizeof(now));
	(void)text_line(row != NULL && row->look[0] != '\0' ? row->look : "-", by, sizeof(by));
	text_table_row(&v->table,
		       (const char *const[]){ row != NULL ? row->kind : f->kind, object,
					      instant(row != NULL ? row->made_s : 0, made),
					      instant(row != NULL ? row->absent_s : 0, absent), by,
					      now, f->look });
}

/* A look is about all objects of its kind, and about those that end with it. */
static void take_record(void *arg, const struct ctl_record *record)
{
	struct verification *v = arg;
	struct finding f;
	bool any = false;

	if (record->type != CTL_ITEM)
		return;
	take_finding(record, &f);
	for (size_t i = 0; i < v->receipt.n; i++) {
		const struct receipt_row *row = &v->receipt.rows[i];

		if (f.kind[0] == '\0' || strcmp(receipt_looked_as(row->kind), f.kind) != 0)
			continue;
		put_row(v, &f, row);
		any = true;
	}
	if (!any)
		put_row(v, &f, NULL);
}

static int look(struct cli *cli, struct verification *v, struct err *err)
{
	const char *args[] = { "--verify", v->receipt.id, NULL };
	struct err ignored;
	int code;

	v->table.n_columns = 7;
	if (cli->json)
		v->list = json_array();
	else
		text_table_row(&v->table, (const char *const[]){ "KIND", "OBJECT", "MADE", "ABSENT",
								 "BY", "NOW", "BY" });
	code = tool_run(&cli->config, args, take_record, v, err);
	if (v->list == NULL)
		text_table_print(&v->table, stdout);
	else if (json_print(v->list, code < 0 ? &ignored : err) < 0)
		code = -1;
	text_table_free(&v->table);
	return code;
}

/* Is it one whose end, or whose death, has left something? That is asked about then, and not the last one that went. -1: err. */
static int is_left_over(const struct host_config *host, const char *id, struct err *err)
{
	static struct store_entry entry;
	int r = entry_load(host, id, &entry, err);

	if (r == 0)
		r = entry.state == STORE_BROKEN || entry.state == STORE_QUARANTINED;
	else if (err->code == ERR_NOT_FOUND)
		r = 0; /* it ended while we looked */
	explicit_bzero(&entry, sizeof(entry));
	return r;
}

/* A name that several had: which one is looked at, and the ids of the others. */
static void say_which(const char *name, const char *living, char (*ids)[ID_SIZE], size_t n)
{
	char others[NAMED_MAX * (ID_SIZE + 1) + 8] = "";
	size_t len = 0;

	if (living == NULL && n < 2)
		return;
	for (size_t i = 1; i < n && i < NAMED_MAX; i++)
		len += (size_t)snprintf(others + len, sizeof(others) - len, " %s", ids[i]);
	if (n > NAMED_MAX)
		(void)snprintf(others + len, sizeof(others) - len, " …");
	log_info("%s is here the one that is gone with the id %s%s%s%s%s", name, ids[0],
		 living != NULL ? "; the one of that name that is there now is " : "",
		 living != NULL ? living : "", n > 1 ? "; gone before it:" : "", others);
}

static int choose(const struct host_config *host, const char *word, char id[ID_SIZE],
		  struct err *err)
{
	char ids[NAMED_MAX][ID_SIZE], living[ID_SIZE];
	bool lives = target_find(host, word, living, err) == 0;
	int n, left = 0;

	if (!lives && err->code != ERR_NOT_FOUND)
		return -1;
	if (id_is_valid(word) && (!lives || strcmp(living, word) == 0)) {
		memcpy(id, word, ID_SIZE);
		return 0;
	}
	if (lives)
		left = is_left_over(host, living, err);
	n = left != 0 ? left : receipt_find(host, word, ids, NAMED_MAX, err);
	if (n < 0)
		return err_wrap(err, "%s: which one was the last can't be told, name its id", word);
	if (lives && (n == 0 || left > 0)) {
		memcpy(id, living, ID_SIZE);
		return 0;
	}
	if (n == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no sandbox %s, and no receipt of one",
			       word);
	say_which(word, lives ? living : NULL, ids, (size_t)n);
	memcpy(id, ids[0], ID_SIZE);
	return 0;
}

int verb_verify(struct cli *cli, int argc, char **argv, struct err *err)
{
	static struct verification v; /* too large for a stack */
	const struct host_config *host = &cli->config.host;
	struct err unread = { .code = ERR_NONE };
	char id[ID_SIZE];
	bool kept;
	int n, code;
	char **words = opt_words(cli, argc, argv, 1, 1, &n, err);

	if (words == NULL || cli_begin(cli, err) < 0 || choose(host, words[0], id, err) < 0)
		return -1;
	kept = receipt_read(host, id, &v.receipt, err) == 0;
	if (!kept) {
		if (err->code != ERR_NOT_FOUND) { /* it is looked for all the same */
			unread = *err;
			memset(&v.receipt, 0, sizeof(v.receipt));
		}
		memcpy(v.receipt.id, id, ID_SIZE);
	}
	if (v.receipt.residue[0] != '\0')
		log_warning("%s: its end left something; name, uid and address stay taken until it "
			    "is gone: %s",
			    words[0], v.receipt.residue);
	code = look(cli, &v, err);
	if (code == 0 && unread.code != ERR_NONE) {
		*err = unread;
		return err_wrap(err, "%s: what there was can't be told", words[0]);
	}
	if (code == 0 && !kept)
		log_info("%s: no receipt of it is kept; it was looked for by its id alone",
			 words[0]);
	return code;
}
