/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/many.h"

#include "base/log.h"
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

int many_result(const struct many *many, struct err *err)
{
	if (many->last.code == ERR_NONE)
		return 0;
	*err = many->last;
	err->code = many->code;
	return -1;
}
