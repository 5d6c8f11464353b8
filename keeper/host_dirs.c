/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/fd.h"
#include "store/entry.h"
#include "store/lock.h"
#include "store/paths.h"

int host_dirs_up(const struct host_config *host, struct err *err)
{
	char path[PATHS_SIZE];
	auto_fd digests = -1;

	if (paths_make(host, err) < 0)
		return -1;
	/* for the CLI, which replaces it: what sandboxes leave must not be told by it */
	digests = open(paths_run_dir(host, "digests", path),
		       O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return digests < 0 ? err_sys(err, "can't make %s", path) : 0;
}

/* Going down: what fails first is told, and the rest goes on. */
struct down {
	const struct host_config *host;
	int failed; /* 0 or -1 */
	struct err *err;
};

static void down_failed(struct down *down, const struct err *why)
{
	if (down->failed == 0)
		*down->err = *why;
	down->failed = -1;
}

static void down_file(struct down *down, const char *path)
{
	struct err why;

	if (unlink(path) < 0 && errno != ENOENT) {
		(void)err_sys(&why, "can't remove %s", path);
		down_failed(down, &why);
	}
}

/*
 * What is not empty stays, and with it what holds it, and what is mounted (on a file system that can only be read, too): that is no
 * failure. Is it gone?
 */
static bool down_dir(struct down *down, const char *path)
{
	struct err why;

	if (rmdir(path) == 0 || errno == ENOENT)
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY && errno != EROFS) {
		(void)err_sys(&why, "can't remove %s", path);
		down_failed(down, &why);
	}
	return false;
}

/* Lock files of slots that nobody holds; a held one keeps its directory. */
static void down_slots(struct down *down)
{
	char path[PATHS_SIZE], slot[PATHS_SIZE];
	DIR *dir = opendir(paths_run_dir(down->host, "slots", path));
	const struct dirent *entry;
	struct err why;
	uint32_t number;
	int r, held;

	if (!dir) {
		if (errno != ENOENT) {
			(void)err_sys(&why, "can't open %s", path);
			down_failed(down, &why);
		}
		return;
	}
	while ((r = dir_next(dir, &entry, &why)) > 0) {
		if (sscanf(entry->d_name, "%u", &number) != 1)
			continue;
		held = lock_look(paths_slot(down->host, number, slot), &why);
		if (held < 0)
			down_failed(down, &why);
		if (held == 0)
			down_file(down, slot);
	}
	if (r < 0)
		down_failed(down, &why);
	(void)closedir(dir);
}

/* The ledger is an index over the receipts, and stays as long as they do. */
static void down_ledger(struct down *down)
{
	static const char *const files[] = { "ledger.db", "ledger.db-wal", "ledger.db-shm" };
	char path[PATHS_SIZE];
	struct err why;
	int there = paths_is_there(paths_state(down->host, "receipts", path), &why);

	if (there < 0)
		down_failed(down, &why);
	for (size_t i = 0; there == 0 && i < ARRAY_SIZE(files); i++)
		down_file(down, paths_state(down->host, files[i], path));
}

static bool stop_at_first(const char *id, void *arg)
{
	(void)id;
	*(bool *)arg = true;
	return false;
}

int host_dirs_down(const struct host_config *host, struct err *err)
{
	static const char *const run_files[] = { "claim.lock", "reap.lock", "digests", "flows.look",
						 "uids.look" };
	static const char *const state_dirs[] = { "names", "spool", "sandboxes", "receipts" };
	struct down down = { .host = host, .err = err };
	char path[PATHS_SIZE];
	bool any = false, gone;

	if (entry_each(host, stop_at_first, &any, err) < 0)
		return -1;
	if (!any) {
		down_slots(&down);
		for (size_t i = 0; i < ARRAY_SIZE(run_files); i++)
			down_file(&down, paths_run_dir(host, run_files[i], path));
		down_file(&down, paths_state(host, "clock", path));
	}
	(void)down_dir(&down, paths_run_dir(host, "slots", path));
	(void)down_dir(&down, paths_run_dir(host, "progress", path));
	for (size_t i = 0; i < ARRAY_SIZE(state_dirs); i++)
		(void)down_dir(&down, paths_state(host, state_dirs[i], path));
	if (!any)
		down_ledger(&down);
	(void)down_dir(&down, host->run_dir);
	gone = down_dir(&down, host->state_dir);
	if (down.failed)
		return -1;
	return gone ? HOST_DIRS_GONE : any ? HOST_DIRS_SANDBOXES : HOST_DIRS_RECEIPTS;
}
