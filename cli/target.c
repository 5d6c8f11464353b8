/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/target.h"

#include <errno.h>
#include <unistd.h>

#include "base/str.h"
#include "store/entry.h"
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
	    readlink(paths_name(host, word, path), target, sizeof(target)) < 0) {
		if (errno == EACCES)
			return err_set(err, ERR_FAILED,
				       "%s: only root and the group %s may reach sandboxes", word,
				       host->group);
		if (errno != ENOENT && errno != ENOTDIR && errno != EINVAL)
			return err_sys(err, "can't read %s", path);
		return err_set(err, ERR_NOT_FOUND, "there is no sandbox %s", word);
	}
	return entry_find(host, word, id, err);
}
