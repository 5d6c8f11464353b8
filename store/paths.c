/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "store/group.h"

static const char *paths_join(char out[PATHS_SIZE], const char *top, const char *dir,
			      const char *leaf)
{
	int n = snprintf(out, PATHS_SIZE, "%s/%s%s%s", top, dir, leaf[0] ? "/" : "", leaf);

	BUG_ON(n < 0 || n >= PATHS_SIZE);
	return out;
}

const char *paths_spool(const struct host_config *host, const char *id, char out[PATHS_SIZE])
{
	return paths_join(out, host->state_dir, "spool", id);
}

const char *paths_spool_name(const struct host_config *host, const char *name, char out[PATHS_SIZE])
{
	char leaf[STR_NAME_MAX + 8];
	int n = snprintf(leaf, sizeof(leaf), "%s.name", name);

	BUG_ON(n < 0 || (size_t)n >= sizeof(leaf));
	return paths_join(out, host->state_dir, "spool", leaf);
}

const char *paths_sandbox(const struct host_config *host, const char *id, const char *file,
			  char out[PATHS_SIZE])
{
	char leaf[ID_SIZE + 64];
	int n = snprintf(leaf, sizeof(leaf), "%s%s%s", id, file ? "/" : "", file ? file : "");

	BUG_ON(n < 0 || (size_t)n >= sizeof(leaf));
	return paths_join(out, host->state_dir, "sandboxes", leaf);
}

const char *paths_run(const struct host_config *host, const char *id, const char *file,
		      char out[PATHS_SIZE])
{
	return paths_join(out, host->run_dir, id, file ? file : "");
}

const char *paths_name(const struct host_config *host, const char *name, char out[PATHS_SIZE])
{
	return paths_join(out, host->state_dir, "names", name);
}

const char *paths_receipt(const struct host_config *host, const char *id, char out[PATHS_SIZE])
{
	return paths_join(out, host->state_dir, "receipts", id);
}

const char *paths_slot(const struct host_config *host, uint32_t slot, char out[PATHS_SIZE])
{
	char leaf[16];

	(void)snprintf(leaf, sizeof(leaf), "%u", slot);
	return paths_join(out, host->run_dir, "slots", leaf);
}

const char *paths_state(const struct host_config *host, const char *dir, char out[PATHS_SIZE])
{
	return paths_join(out, host->state_dir, dir, "");
}

const char *paths_run_dir(const struct host_config *host, const char *dir, char out[PATHS_SIZE])
{
	return paths_join(out, host->run_dir, dir, "");
}

/* Whoever may write to a directory of ours, or put another one in its place, decides what root reads from it. */
static bool paths_is_ours(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       (S_ISLNK(st->st_mode) || !(st->st_mode & 022));
}

int paths_is_there(const char *path, struct err *err)
{
	if (access(path, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(err, "can't look for %s", path);
}

int paths_make_dir(const char *path, unsigned mode, struct err *err)
{
	struct stat link, dir;

	if (mkdir(path, (mode_t)mode) == 0)
		return 0;
	if (errno != EEXIST || lstat(path, &link) < 0 || stat(path, &dir) < 0)
		return err_sys(err, "can't make %s", path);
	if (!S_ISDIR(dir.st_mode))
		return err_set(err, ERR_FAILED, "%s is not a directory", path);
	if (!paths_is_ours(&link) || !paths_is_ours(&dir))
		return err_set(err, ERR_FAILED,
			       "%s is not root's alone (owner %u, mode %04o): remove it, or chown "
			       "and chmod it",
			       path, dir.st_uid, dir.st_mode & 07777);
	return 0;
}

static int paths_make_lock(const char *path, struct err *err)
{
	auto_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_sys(err, "can't make %s", path) : 0;
}

static const struct {
	const char *dir;
	bool run; /* below RUN_DIR; else STATE_DIR */
	bool group;
} paths_dirs[] = {
	{ "names", false, true },    { "spool", false, false }, { "sandboxes", false, true },
	{ "receipts", false, true }, { "slots", true, false },	{ "progress", true, false },
};

static const char *paths_dir(const struct host_config *host, size_t i, char out[PATHS_SIZE])
{
	return paths_join(out, paths_dirs[i].run ? host->run_dir : host->state_dir,
			  paths_dirs[i].dir, "");
}

static int paths_give_dir(const char *path, gid_t gid, const char *group, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "can't look at %s", path);
	if ((st.st_gid != gid && chown(path, (uid_t)-1, gid) < 0) ||
	    ((st.st_mode & 07777) != 0750 && chmod(path, 0750) < 0))
		return err_sys(err, "can't give %s to group %s", path, group);
	return 0;
}

static int paths_give_all(const struct host_config *host, gid_t gid, struct err *err)
{
	char path[PATHS_SIZE];

	if (paths_give_dir(host->run_dir, gid, host->group, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(paths_dirs); i++)
		if (paths_dirs[i].group &&
		    paths_give_dir(paths_dir(host, i, path), gid, host->group, err) < 0)
			return -1;
	return 0;
}

int paths_give(const struct host_config *host, struct err *err)
{
	gid_t gid;

	return group_find(host->group, &gid, err) < 0 ? -1 : paths_give_all(host, gid, err);
}

int paths_make(const struct host_config *host, struct err *err)
{
	static const char *const files[] = { "claim.lock", "reap.lock", "flows.look", "uids.look" };
	char path[PATHS_SIZE];
	struct err unknown;
	gid_t gid;

	if (paths_make_dir(host->state_dir, 0755, err) < 0 ||
	    paths_make_dir(host->run_dir, 0750, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(paths_dirs); i++)
		if (paths_make_dir(paths_dir(host, i, path), paths_dirs[i].group ? 0750 : 0700,
				   err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (paths_make_lock(paths_run_dir(host, files[i], path), err) < 0)
			return -1;
	/* a group that can't be looked up holds up no end: what is its members' stays theirs */
	if (geteuid() != 0 || group_find(host->group, &gid, &unknown) < 0)
		return 0;
	return paths_give_all(host, gid, err);
}
