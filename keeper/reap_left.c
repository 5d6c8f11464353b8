/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/reap_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/id.h"
#include "store/lock.h"
#include "store/paths.h"

struct reap_left {
	const struct host_config *host;
	bool dry_run;
	bool (*each)(const char *id, void *arg);
	void *arg;
};

/* The id that a slot's file holds: true when it is one. */
static bool reap_left_read(const char *path, char id[ID_SIZE], bool *empty)
{
	struct err ignored;
	ssize_t n = fd_read_file(AT_FDCWD, path, id, ID_LEN, &ignored);

	*empty = n == 0;
	return n == ID_LEN && id_is_valid(id);
}

/* One that was taken and never written to; under claim.lock, so that nobody is just about to. */
static void reap_left_empty(const struct reap_left *r, const char *path)
{
	char id[ID_SIZE] = "";
	struct err ignored;
	auto_fd claim = lock_claims(r->host, &ignored);
	bool empty;

	if (claim >= 0 && !reap_left_read(path, id, &empty) && empty &&
	    lock_look(path, &ignored) == 0)
		(void)unlink(path);
}

/*
 * Slots of ids of which nothing else of this boot is left: their last holder died between its last two steps. A living one on these
 * steps holds its slot until the file is gone: so lock and file are looked at again behind all the rest.
 */
static void reap_left_slots(const struct reap_left *r)
{
	char path[PATHS_SIZE], dir[PATHS_SIZE];
	struct err ignored;

	for (uint32_t slot = 0; slot < r->host->slot_count; slot++) {
		char id[ID_SIZE] = "", again[ID_SIZE] = "";
		bool empty, is_id;

		(void)paths_slot(r->host, slot, path);
		is_id = reap_left_read(path, id, &empty);
		if (empty && !r->dry_run)
			reap_left_empty(r, path);
		if (!is_id || paths_is_there(paths_run(r->host, id, NULL, dir), &ignored) != 0 ||
		    lock_look(path, &ignored) != 0 || !reap_left_read(path, again, &empty) ||
		    strcmp(id, again) != 0)
			continue;
		(void)r->each(id, r->arg);
	}
}

/* Does a keeper on its last steps still hold a slot for it? Where that can't be told, it may. */
static bool reap_left_is_held(const struct reap_left *r, const char *id)
{
	char path[PATHS_SIZE], holder[ID_SIZE] = "";
	struct err why;

	for (uint32_t slot = 0; slot < r->host->slot_count; slot++) {
		ssize_t n = fd_read_file(AT_FDCWD, paths_slot(r->host, slot, path), holder, ID_LEN,
					 &why);

		if (n < 0 && fd_is_unread(&why))
			return true;
		if (n == ID_LEN && strcmp(holder, id) == 0 && lock_look(path, &why) != 0)
			return true;
	}
	return false;
}

/* Names that lead nowhere any more: who ended their sandboxes died before this step. Their receipts get their end. */
static int reap_left_names(const struct reap_left *r, struct err *err)
{
	char dir[PATHS_SIZE], path[PATHS_SIZE], target[PATHS_SIZE], again[PATHS_SIZE];
	DIR *stream = opendir(paths_state(r->host, "names", dir));
	const struct dirent *d;
	int more = 0;

	if (!stream)
		return errno == ENOENT ? 0 : err_sys(err, "can't open %s", dir);
	while ((more = dir_next(stream, &d, err)) > 0) {
		ssize_t n = readlinkat(dirfd(stream), d->d_name, target, sizeof(target) - 1);
		const char *id = target + n - ID_LEN;

		if (n < ID_LEN)
			continue;
		target[n] = '\0';
		/* one that can't be looked for isn't absent: the next minute tells */
		if (!id_is_valid(id) ||
		    paths_is_there(paths_sandbox(r->host, id, NULL, path), err) != 0 ||
		    paths_is_there(paths_run(r->host, id, NULL, path), err) != 0 ||
		    reap_left_is_held(r, id) ||
		    /* a living keeper's goes before its slot: is it still there? */
		    readlinkat(dirfd(stream), d->d_name, again, sizeof(again)) != n ||
		    memcmp(again, target, (size_t)n) != 0)
			continue;
		(void)r->each(id, r->arg);
	}
	(void)closedir(stream);
	return more < 0 ? err_wrap(err, "%s", dir) : 0;
}

void reap_left(const struct host_config *host, bool dry_run,
	       bool (*each)(const char *id, void *arg), void *arg, const struct sink *sink)
{
	const struct reap_left r = { host, dry_run, each, arg };
	struct err err;

	if (reap_left_names(&r, &err) < 0)
		sink_put(sink, CTL_ITEM, (uint32_t)err.code, "%s", err.text);
	reap_left_slots(&r);
}
