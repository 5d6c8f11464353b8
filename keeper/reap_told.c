/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/reap_told.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "store/journal.h"
#include "store/paths.h"
#include "store/status.h"

static bool told_hear(const struct journal_line *line, void *arg)
{
	struct reap_told *told = arg;
	char word[32], grace[24], durable[4];

	if (line->word != JOURNAL_EVENT)
		return true;
	if (strncmp(line->text, "ready", 5) == 0)
		*told = (struct reap_told){ .ran = true,
					    .durable = told->durable,
					    .grace_s = told->grace_s };
	if (strncmp(line->text, "created ", 8) == 0 &&
	    journal_value(line->text, "grace", grace, sizeof(grace)))
		(void)str_to_u64(grace, UINT64_MAX, &told->grace_s);
	if (strncmp(line->text, "created ", 8) == 0 &&
	    journal_value(line->text, "durable", durable, sizeof(durable)))
		told->durable = strcmp(durable, "1") == 0;
	if (sscanf(line->text, "ended %31s", word) == 1)
		told->end = status_reason_from_word(word);
	return true;
}

int reap_told_read(const struct host_config *host, const char *id, struct reap_told *told,
		   struct err *err)
{
	char path[PATHS_SIZE];
	int rc = journal_each(paths_sandbox(host, id, "journal", path), told_hear, told, err);

	if (rc < 0 && err->code == ERR_NOT_FOUND)
		rc = journal_each(paths_receipt(host, id, path), told_hear, told, err);
	return rc;
}
