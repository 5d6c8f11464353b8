/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/target.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/paths.h"

int target_find(const struct host_config *host, const char *word, char id[ID_SIZE], struct err *err)
{
	char path[PATHS_SIZE], target[PATHS_SIZE];

	if (!str_is_name(word))
		return err_set(err, ERR_USAGE,
			       "%.60s: not a name: letters, digits and inner hyphens, at most %d "
			       "characters",
			       word, STR_NAME_MAX);
	if (!id_is_valid(word) &&
	    readlink(paths_name(host, word, path), target, sizeof(target)) < 0)
		return errno == EACCES
			       ? err_set(err, ERR_FAILED,
					 "%s: only root and the group %s may reach sandboxes", word,
					 host->group)
			       : err_set(err, ERR_NOT_FOUND, "there is no sandbox %s", word);
	return entry_find(host, word, id, err);
}

struct receipt {
	const char *name;
	bool matches;
	long long at_s;
};

/* The first event of a journal: "created name=NAME owner=…". */
static bool look_at_line(const struct journal_line *line, void *arg)
{
	struct receipt *receipt = arg;
	char name[STR_NAME_MAX + 1];

	if (line->word != JOURNAL_EVENT || strncmp(line->text, "created ", 8) != 0)
		return true;
	receipt->matches = journal_value(line->text, "name", name, sizeof(name)) &&
			   strcmp(name, receipt->name) == 0;
	receipt->at_s = line->at_s;
	return false;
}

static int find_receipt(const struct host_config *host, const char *name, char id[ID_SIZE])
{
	char path[PATHS_SIZE];
	DIR *dir = opendir(paths_state(host, "receipts", path));
	long long newest = -1;
	struct dirent *entry;
	struct err ignored;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct receipt receipt = { .name = name };

		if (!id_is_valid(entry->d_name) ||
		    journal_each(paths_receipt(host, entry->d_name, path), look_at_line, &receipt,
				 &ignored) < 0)
			continue;
		if (receipt.matches && receipt.at_s > newest) {
			newest = receipt.at_s;
			memcpy(id, entry->d_name, ID_SIZE);
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
	return newest >= 0 ? 0 : -1;
}

int target_find_gone(const struct host_config *host, const char *word, char id[ID_SIZE],
		     struct err *err)
{
	if (target_find(host, word, id, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	if (id_is_valid(word)) {
		memcpy(id, word, ID_SIZE);
		return 0;
	}
	if (find_receipt(host, word, id) == 0)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "there is no sandbox %s, and no receipt of one", word);
}
