/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/many.h"

#include <stdbool.h>

#include "base/bug.h"
#include "base/log.h"
#include "cli/json.h"
#include "cli/text.h"

void many_failed(struct many *many, const struct err *err)
{
	char line[2 * ERR_TEXT_MAX];

	if (many->last.code != ERR_NONE)
		log_error("%s", text_line(many->last.text, line, sizeof(line)));
	many->code =
		many->last.code == ERR_NONE || many->code == err->code ? err->code : ERR_FAILED;
	many->last = *err;
}

void many_done(struct many *many, const char *name, const char *id, const struct err *err)
{
	bool failed = err->code != ERR_NONE;
	json_t *object;
	int rc;

	if (failed)
		many_failed(many, err);
	if (many->list == NULL)
		return;
	object = json_object();
	rc = json_array_append_new(many->list, object);
	BUG_ON(rc < 0);
	json_put_text(object, "name", name);
	json_put_optional(object, "id", id);
	json_put_bool(object, "ok", !failed);
	json_put_optional(object, "error", failed ? err->text : "");
}

int many_result(const struct many *many, struct err *err)
{
	if (many->list != NULL && json_print(many->list, err) < 0)
		return -1;
	if (many->last.code == ERR_NONE)
		return 0;
	*err = many->last;
	err->code = many->code;
	return -1;
}
