/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What lies in file systems: cgroups, files where mayfly or its tools could leave some, accounts. */
#include "inventory/inventory.h"

#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_excepted(const struct inventory *inventory, const char *path)
{
	for (const char *const *p = inventory->except; p != NULL && *p != NULL; p++) {
		if (is_below(path, *p))
			return true;
	}
	return false;
}

static const char *type_text(int info, mode_t mode)
{
	if (info == FTS_D)
		return "dir";
	if (S_ISSOCK(mode))
		return "socket";
	if (S_ISLNK(mode))
		return "link";
	return S_ISREG(mode) ? "file" : "special";
}

struct top {
	const char *path;
	short max_level; /* 0: all the way down */
};

/* Everything below `top` on its own file system (or, with cgroups, directories only). */
static int walk(struct inventory *inventory, const char *kind, const struct top *top,
		bool only_dirs, struct err *err)
{
	char path[256];
	char *const tops[] = { path, NULL };
	FTSENT *entry;
	FTS *fts;

	(void)snprintf(path, sizeof(path), "%s", top->path);
	if (access(path, F_OK) < 0)
		return 0;
	fts = fts_open(tops, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (fts == NULL)
		return err_sys(err, "%s", path);
	while ((entry = fts_read(fts)) != NULL) {
		if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS)
			continue;
		if (is_excepted(inventory, entry->fts_path)) {
			(void)fts_set(fts, entry, FTS_SKIP);
			continue;
		}
		if (top->max_level != 0 && entry->fts_level >= top->max_level)
			(void)fts_set(fts, entry, FTS_SKIP);
		if (!only_dirs || entry->fts_info == FTS_D)
			inventory_add(
				inventory, kind, "%s %s", entry->fts_path,
				only_dirs ? ""
					  : type_text(entry->fts_info, entry->fts_statp->st_mode));
	}
	(void)fts_close(fts);
	return 0;
}

int inventory_cgroups(struct inventory *inventory, struct err *err)
{
	static const struct top pure = { "/sys/fs/cgroup", 0 },
				hybrid = { "/sys/fs/cgroup/unified", 0 };

	if (access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0)
		return walk(inventory, "cgroup", &hybrid, true, err);
	if (access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0)
		return walk(inventory, "cgroup", &pure, true, err);
	return 0;
}

int inventory_files(struct inventory *inventory, struct err *err)
{
	static const struct top tops[] = {
		{ "/run", 0 }, { "/var/lib/mayfly", 0 }, { "/etc", 0 },
		{ "/tmp", 1 }, { "/var/tmp", 1 },	 { "/dev/shm", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
		if (walk(inventory, "file", &tops[i], false, err) < 0)
			return -1;
	}
	return 0;
}

int inventory_uids(struct inventory *inventory, struct err *err)
{
	static const char *const files[] = { "/etc/passwd", "/etc/group", "/etc/subuid",
					     "/etc/subgid" };
	char line[1024];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = fopen(files[i], "re");

		if (f == NULL && errno != ENOENT)
			return err_sys(err, "%s", files[i]);
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			inventory_add(inventory, "uid", "%s %.*s", files[i],
				      (int)strcspn(line, "\n"), line);
		if (f != NULL)
			(void)fclose(f);
	}
	return 0;
}
