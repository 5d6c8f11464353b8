/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/fd.h"
#include "keeper/console.h"
#include "keeper/keeper.h"
#include "keeper/undo.h"
#include "store/journal.h"
#include "store/marks.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/status.h"

static int undo_unlink(const char *path, struct err *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "can't remove %s", path);
	return 0;
}

/* 1: nothing at path; 0: something is. */
static int undo_path_absent(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return 0;
	if (errno == ENOENT)
		return 1;
	return err_sys(err, "can't look at %s", path);
}

static int undo_sync_dir(const char *path, struct err *err)
{
	auto_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, "can't make changes of %s durable", path);
	return 0;
}

/* ---- access ---- */

int undo_socket(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	if (t->keeper)
		serve_close_listener(&t->keeper->serve);
	return undo_unlink(paths_run(t->host, t->id, "ctl.sock", path), err);
}

int undo_socket_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_path_absent(paths_run(t->host, t->id, "ctl.sock", path), err);
}

int undo_keys(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	if (undo_unlink(paths_sandbox(t->host, t->id, "ssh-key", path), err) < 0)
		return -1;
	return undo_unlink(paths_sandbox(t->host, t->id, "known_hosts", path), err);
}

int undo_keys_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	int absent = undo_path_absent(paths_sandbox(t->host, t->id, "ssh-key", path), err);

	if (absent != 1)
		return absent;
	return undo_path_absent(paths_sandbox(t->host, t->id, "known_hosts", path), err);
}

/* ---- console ---- */

int undo_console(struct teardown *t, struct err *err)
{
	static const char *const names[] = { "console", MARKS_FILE, "status", "status.new" };
	char path[PATHS_SIZE];

	if (t->depth != TEARDOWN_ALL)
		console_keep(t->host, t->id);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (undo_unlink(paths_run(t->host, t->id, names[i], path), err) < 0)
			return -1;
	return 0;
}

int undo_console_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_path_absent(paths_run(t->host, t->id, "console", path), err);
}

/* ---- disk, name, spool ---- */

int undo_disk(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	if (t->keeper)
		fd_close(&t->keeper->disk_fd);
	return undo_unlink(paths_sandbox(t->host, t->id, "disk", path), err);
}

int undo_disk_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_path_absent(paths_sandbox(t->host, t->id, "disk", path), err);
}

/* A name is ours only while its link leads to this id: 1; 0: it is not there, or leads elsewhere; -1 with err: not to be read. */
static int undo_name_is_ours(const struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE], target[PATHS_SIZE];
	ssize_t n;

	if (!str_is_name(t->name))
		return 0;
	n = readlink(paths_name(t->host, t->name, path), target, sizeof(target) - 1);
	if (n < 0 && errno != ENOENT && errno != EINVAL) /* EINVAL: something else than a link */
		return err_sys(err, "can't read %s", path);
	if (n < ID_LEN)
		return 0;
	target[n] = '\0';
	return strcmp(target + n - ID_LEN, t->id) == 0;
}

int undo_name(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];
	int ours = undo_name_is_ours(t, err);

	if (ours <= 0)
		return ours;
	if (undo_unlink(paths_name(t->host, t->name, path), err) < 0)
		return -1;
	return undo_sync_dir(paths_state(t->host, "names", path), err);
}

int undo_name_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];
	struct stat st;
	int ours = undo_name_is_ours(t, err);

	if (ours != 0)
		return ours < 0 ? -1 : 0;
	if (str_is_name(t->name) && lstat(paths_name(t->host, t->name, path), &st) < 0 &&
	    errno != ENOENT)
		return err_sys(err, "can't look at %s", path);
	return 1;
}

int undo_spool(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_unlink(paths_spool(t->host, t->id, path), err);
}

int undo_spool_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_path_absent(paths_spool(t->host, t->id, path), err);
}

/* ---- the directories ---- */

/* What leads back to a sandbox that is half removed, and says that its date has come, goes last. */
static bool undo_goes_last(const char *name)
{
	return strcmp(name, "journal") == 0 || strcmp(name, "deadline") == 0;
}

/* Remove all plain files of a directory of ours, and the directory; keep: not those that go last. Absent: fine. */
static int undo_empty_dir(const char *dir, bool keep, struct err *err)
{
	DIR *stream = opendir(dir);
	const struct dirent *d;
	int rc = 0;

	if (!stream && errno == ENOENT)
		return 0;
	if (!stream)
		return err_sys(err, "can't open %s", dir);
	while (rc == 0 && (rc = dir_next(stream, &d, err)) > 0) {
		rc = 0;
		if (keep && undo_goes_last(d->d_name))
			continue;
		if (unlinkat(dirfd(stream), d->d_name, 0) < 0 && errno != ENOENT)
			rc = err_sys(err, "can't remove %s/%s", dir, d->d_name);
	}
	(void)closedir(stream);
	if (rc == 0 && !keep && rmdir(dir) < 0 && errno != ENOENT)
		return err_sys(err, "can't remove %s", dir);
	return rc;
}

/* The journal becomes the receipt, behind all but the date: so it leads back here until the end. */
int undo_state(struct teardown *t, struct err *err)
{
	char dir[PATHS_SIZE], journal[PATHS_SIZE], receipt[PATHS_SIZE], path[PATHS_SIZE];

	if (undo_empty_dir(paths_sandbox(t->host, t->id, NULL, dir), true, err) < 0)
		return -1;
	if (rename(paths_sandbox(t->host, t->id, "journal", journal),
		   paths_receipt(t->host, t->id, receipt)) < 0 &&
	    errno != ENOENT)
		return err_sys(err, "can't keep the receipt %s", receipt);
	if (undo_sync_dir(paths_state(t->host, "receipts", path), err) < 0 ||
	    undo_empty_dir(dir, false, err) < 0)
		return -1;
	return undo_sync_dir(paths_state(t->host, "sandboxes", path), err);
}

int undo_state_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_path_absent(paths_sandbox(t->host, t->id, NULL, path), err);
}

/* Under claim.lock, under which it is made and locked: nobody can lock a new file in it between the two removals. */
int undo_run(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];
	auto_fd claim = lock_claims(t->host, err);

	if (claim < 0)
		return err->os_errno == ENOENT ? 0 : -1;
	return undo_empty_dir(paths_run(t->host, t->id, NULL, path), false, err);
}

int undo_run_absent(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	return undo_path_absent(paths_run(t->host, t->id, NULL, path), err);
}

/* ---- the slot ---- */

/* Its lock file goes under claim.lock, under which slots are taken: nobody can be about to lock the file that goes. */
static int undo_slot_file(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];
	auto_fd claim = lock_claims(t->host, err);

	if (claim < 0 || undo_unlink(paths_slot(t->host, t->slot, path), err) < 0)
		return -1;
	if (t->keeper)
		fd_close(&t->keeper->slot_fd);
	t->has_slot = false;
	return 0;
}

/*
 * The receipt's last lines come before the file goes: afterwards nothing would lead to a receipt that lacks them. Should it
 * not go, a line about residue follows, and then stays the last one until the file has gone. A receipt that can't be written
 * to (a full disk) must not keep the slot.
 */
int undo_slot(struct teardown *t, struct err *err)
{
	const char *text = t->text ? t->text : "";
	struct err ignored;

	if (t->left && t->has_slot && undo_slot_file(t, err) < 0)
		return -1;
	(void)journal_gone(t->journal_fd, "slot", t->id, "read", &ignored);
	(void)journal_event(t->journal_fd, &ignored, "%s %s%s%s",
			    t->depth == TEARDOWN_ALL ? "gone" : "stopped",
			    status_reason_word(t->reason), text[0] ? " " : "", text);
	return t->has_slot ? undo_slot_file(t, err) : 0;
}

int undo_slot_absent(struct teardown *t, struct err *err)
{
	uint32_t slot = t->has_number ? t->number : t->slot;
	char path[PATHS_SIZE], id[ID_SIZE] = "";
	ssize_t n;

	if (t->has_slot)
		return 0;
	n = fd_read_file(AT_FDCWD, paths_slot(t->host, slot, path), id, ID_LEN, err);
	if (n < 0 && err->os_errno != ENOENT && err->os_errno != EFBIG)
		return -1;
	return n != ID_LEN || strcmp(id, t->id) != 0;
}
