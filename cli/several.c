/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/several.h"

#include "base/log.h"
#include "cli/text.h"

void several_failed(struct several *several, const struct err *err)
{
	int code = several->n == 0 || several->last.code == err->code ? err->code : ERR_FAILED;
	char line[2 * ERR_TEXT_MAX];

	if (several->n++ > 0)
		log_error("%s", text_line(several->last.text, line, sizeof(line)));
	several->last = *err;
	several->last.code = code;
}

int several_end(const struct several *several, struct err *err)
{
	if (several->n == 0)
		return 0;
	*err = several->last;
	return -1;
}
