/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <stdio.h>

#include "base/bug.h"
#include "cli/json.h"
#include "cli/text.h"
#include "cli/tool.h"

struct audit {
	json_t *list; /* NULL: a table */
	struct text_table table;
};

static void take_record(void *arg, const struct ctl_record *record)
{
	const char *whose = record->type == CTL_NOTE ? "no project's" : "left over";
	struct audit *audit = arg;
	char what[1024];
	json_t *object;
	int rc;

	if (record->type != CTL_ITEM && record->type != CTL_NOTE)
		return;
	(void)text_line(record->text, what, sizeof(what));
	if (audit->list == NULL) {
		text_table_row(&audit->table, (const char *const[]){ whose, record->name, what });
		return;
	}
	object = json_object();
	json_put_bool(object, "left_over", record->type == CTL_ITEM);
	json_put_text(object, "kind", record->name);
	json_put_text(object, "object", what);
	rc = json_array_append_new(audit->list, object);
	BUG_ON(rc < 0);
}

/* What is found is shown also when it ends with residue: that is the finding. */
int verb_audit(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const char *const args[] = { "--audit", NULL };
	struct audit audit = { .table.n_columns = 3 };
	int n, code, printed = 0;
	struct err print_err;

	if (opt_words(cli, argc, argv, 0, 0, &n, err) == NULL || cli_begin(cli, err) < 0)
		return -1;
	if (cli->json)
		audit.list = json_array();
	else
		text_table_row(&audit.table, (const char *const[]){ "WHOSE", "KIND", "OBJECT" });
	code = tool_run(&cli->config, args, take_record, &audit, err);
	if (cli->json)
		printed = json_print(audit.list, &print_err);
	else
		text_table_print(&audit.table, stdout);
	text_table_free(&audit.table);
	if (printed < 0 && code >= 0) {
		*err = print_err;
		return -1;
	}
	return code;
}
