/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/reap_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/progress.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/rendezvous.h"

#define REAP_SPOOL_S 60

struct reap_spool {
	const struct host_config *host;
	const struct sink *sink;
	bool dry_run;
	int64_t now_s;
};

static void reap_spool_say(const struct reap_spool *r, const char *id, const char *what)
{
	char text[96];
	struct ctl_record record;

	(void)snprintf(text, sizeof(text), "%s: %sremoved", what, r->dry_run ? "would be " : "");
	record = progress_record(id, "", CTL_ITEM, 0, text);
	if (r->sink && r->sink->put)
		r->sink->put(r->sink->arg, &record);
}

static bool reap_spool_is_held(const struct reap_spool *r, const char *id)
{
	char path[PATHS_SIZE];

	return lock_is_held(paths_run(r->host, id, "lock", path));
}

/* The spec that its CLI left for a keeper goes too, unless one is at it; who comes now for it fails, and undoes what it made. */
static void reap_spool_socket(const struct reap_spool *r, int dir, const char *id)
{
	char path[PATHS_SIZE];
	struct err ignored;
	auto_fd claim = lock_claims(r->host, &ignored);

	if (claim < 0 || !rendezvous_is_dead(r->host, id))
		return;
	if (!r->dry_run && !reap_spool_is_held(r, id)) {
		char fresh[PATHS_SIZE + sizeof(".new")]; /* half written (fd_replace_file) */

		(void)snprintf(fresh, sizeof(fresh), "%s.new", paths_spool(r->host, id, path));
		(void)unlink(fresh);
		(void)unlink(path);
	}
	if (r->dry_run || unlinkat(dir, id, 0) == 0) /* else its listener took it away just now */
		reap_spool_say(r, id, "a start that nobody waits for");
}

/* The link of a name that leads nowhere: made under claim.lock by who has a spec there, or another is made in its place. */
static bool reap_spool_unlink(const struct reap_spool *r, int dir, const char *name)
{
	struct err ignored;
	auto_fd claim = -1;

	if (!strchr(name, '.'))
		return false;
	claim = lock_claims(r->host, &ignored);
	if (claim < 0 || faccessat(dir, name, F_OK, 0) == 0 || errno != ENOENT)
		return false;
	return r->dry_run || unlinkat(dir, name, 0) == 0;
}

/* A spec that no keeper took, or a link to it. Clocks step back. */
static void reap_spool_spec(const struct reap_spool *r, int dir, const char *name)
{
	struct stat st;
	char id[ID_SIZE];

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    llabs((long long)r->now_s - st.st_mtime) <= REAP_SPOOL_S)
		return;
	(void)str_copy(id, sizeof(id), name);
	if (reap_spool_is_held(r, id))
		return;
	if (!r->dry_run)
		(void)unlinkat(dir, name, 0);
	if (!strchr(name, '.')) /* the link of a name: the spec is what is told */
		reap_spool_say(r, id, "a spec that no keeper took");
}

/*
 * A name whose sandbox is gone: who removed it ended before he came to its name, and no journal leads there any more. Names are
 * made under claim.lock, behind the state directory that they lead to. As long as the run directory is there, something of it
 * could not be removed, and nobody else gets the name. Nothing is said: it may be a living keeper's, about to go.
 */
static void reap_spool_name(const struct reap_spool *r, int dir, const char *name)
{
	char target[PATHS_SIZE], path[PATHS_SIZE];
	struct err ignored;
	auto_fd claim = -1;
	const char *id;
	ssize_t n;

	if (faccessat(dir, name, F_OK, 0) == 0 || errno != ENOENT)
		return;
	claim = lock_claims(r->host, &ignored);
	n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (claim < 0 || n < ID_LEN)
		return;
	target[n] = '\0';
	id = target + n - ID_LEN;
	if (!id_is_valid(id) || faccessat(dir, name, F_OK, 0) == 0 || errno != ENOENT ||
	    access(paths_run(r->host, id, NULL, path), F_OK) == 0 || errno != ENOENT)
		return;
	if (!r->dry_run)
		(void)unlinkat(dir, name, 0);
}

void reap_spool(const struct host_config *host, bool dry_run, int64_t now_s,
		const struct sink *sink)
{
	const struct reap_spool r = { host, sink, dry_run, now_s };
	char path[PATHS_SIZE];
	struct dirent *d;
	DIR *dir = opendir(paths_run_dir(host, "progress", path));

	while (dir && (d = readdir(dir)))
		if (id_is_valid(d->d_name))
			reap_spool_socket(&r, dirfd(dir), d->d_name);
	if (dir)
		(void)closedir(dir);
	dir = opendir(paths_state(host, "names", path));
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			reap_spool_name(&r, dirfd(dir), d->d_name);
	if (dir)
		(void)closedir(dir);
	dir = opendir(paths_state(host, "spool", path));
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.' && !reap_spool_unlink(&r, dirfd(dir), d->d_name))
			reap_spool_spec(&r, dirfd(dir), d->d_name);
	if (dir)
		(void)closedir(dir);
}
