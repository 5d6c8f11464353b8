/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "jail/proc.h"
#include "keeper/date.h"
#include "keeper/mke2fs.h"
#include "keeper/steps.h"
#include "store/deadline.h"
#include "store/journal.h"
#include "store/marks.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"
#include "store/totals.h"

static gid_t steps_group(const struct keeper *k)
{
	const struct group *group = getgrnam(k->spec.host.group);

	return group ? group->gr_gid : 0;
}

static int steps_write_status(struct keeper *k, struct err *err)
{
	struct deadline_now now;

	if (deadline_now(&now, err) < 0)
		return -1;
	memcpy(k->status.boot_id, now.boot_id, sizeof(k->status.boot_id));
	k->status.phase = STATUS_CREATING;
	k->status.vcpus = k->spec.vcpus;
	k->status.memory_mib = (uint32_t)(k->spec.memory_bytes >> 20);
	k->status.keeper_pid = getpid();
	/* whoever must kill a keeper that hangs goes by both */
	if (proc_start_time(getpid(), &k->status.keeper_start, err) < 0)
		return -1;
	return status_write(&k->spec.host, k->spec.id, &k->status, err);
}

/* The lock, and a status that says who has it. */
int steps_claim(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE];

	if (paths_make(&k->spec.host, err) < 0)
		return -1;
	if (k->again && steps_rest(k, err) < 0)
		return -1;
	if (!k->again)
		k->lock_fd = lock_claim(&k->spec.host, k->spec.id, err);
	if (k->lock_fd < 0)
		return -1;
	if (chown(paths_run(&k->spec.host, k->spec.id, NULL, path), 0, steps_group(k)) < 0)
		return err_sys(err, "can't give %s to group %s", path, k->spec.host.group);
	return steps_write_status(k, err);
}

static int steps_sync(const char *dir, struct err *err)
{
	auto_fd fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, "can't make changes of %s durable", dir);
	return 0;
}

/* The state directory; the spec moves there from the spool. */
int steps_state(struct keeper *k, struct err *err)
{
	char from[PATHS_SIZE], to[PATHS_SIZE], dir[PATHS_SIZE];

	if (mkdir(paths_sandbox(&k->spec.host, k->spec.id, NULL, dir), 0700) < 0)
		return err_sys(err, "can't make %s", dir);
	if (rename(paths_spool(&k->spec.host, k->spec.id, from),
		   paths_sandbox(&k->spec.host, k->spec.id, "spec", to)) < 0)
		return err_sys(err, "can't take over %s", from);
	if (steps_sync(dir, err) < 0)
		return -1;
	return steps_sync(paths_state(&k->spec.host, "sandboxes", to), err);
}

int steps_journal(struct keeper *k, struct err *err)
{
	char date[STR_INSTANT_SIZE], dir[PATHS_SIZE];
	struct stat st;

	k->journal_fd = journal_open(&k->spec.host, k->spec.id, true, err);
	if (k->journal_fd < 0 ||
	    steps_sync(paths_sandbox(&k->spec.host, k->spec.id, NULL, dir), err) < 0)
		return -1;
	if (journal_event(k->journal_fd, err,
			  "created name=%s owner=%s until=%s deadline=%lld durable=%d grace=%llu "
			  "reason=%s",
			  k->spec.name, k->spec.owner,
			  str_from_instant(k->spec.deadline_s, date, sizeof(date)),
			  (long long)k->spec.deadline_s, !!(k->spec.flags & SPEC_DURABLE),
			  (unsigned long long)k->spec.grace_s, k->spec.reason) < 0)
		return -1;
	if (log_keep(dir, err) < 0)
		return -1;
	log_note("created by %s, until %s", k->spec.owner, date);
	if (stat(dir, &st) < 0)
		return err_sys(err, "can't look at %s", dir);
	if (journal_fact(k->journal_fd, err, "state", k->spec.id, "dev=%llu ino=%llu path=%s",
			 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, dir) < 0)
		return -1;
	return steps_fact_run(k, err);
}

/* A link that leads nowhere (or none): a crash of the host can leave one of a sandbox that is gone. One whose run directory
 * is there is a sandbox's of which not everything could be removed. */
static bool steps_name_dangles(const struct keeper *k, const char *path)
{
	char target[PATHS_SIZE], run[PATHS_SIZE];
	struct stat st;
	ssize_t n;

	if (stat(path, &st) == 0 || errno != ENOENT)
		return false;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < ID_LEN)
		return true;
	target[n] = '\0';
	return !id_is_valid(target + n - ID_LEN) ||
	       access(paths_run(&k->spec.host, target + n - ID_LEN, NULL, run), F_OK) < 0;
}

/* symlink(2) is what makes a name unique; under claim.lock, so that a link just made isn't taken for one that leads
 * nowhere. */
int steps_name(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE], target[64];
	struct stat st;
	auto_fd claim = lock_claims(&k->spec.host, err);

	if (claim < 0)
		return -1;
	(void)paths_name(&k->spec.host, k->spec.name, path);
	(void)snprintf(target, sizeof(target), "../sandboxes/%s", k->spec.id);
	if (steps_name_dangles(k, path))
		(void)unlink(path);
	/* from here on it counts; of a name that is taken symlink(2) tells */
	if (access(path, F_OK) < 0 && totals_check(&k->spec, TOTALS_KEPT, err) < 0)
		return -1;
	if (symlink(target, path) < 0 && errno == EEXIST)
		return err_set(err, ERR_EXISTS, "a sandbox named %s exists already", k->spec.name);
	if (lstat(path, &st) < 0)
		return err_sys(err, "can't look at %s", path);
	steps_identity(k, "dev=%llu ino=%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	return steps_sync(paths_state(&k->spec.host, "names", path), err);
}

int steps_deadline(struct keeper *k, struct err *err)
{
	return date_grant(k, err);
}

/* ---- disk ---- */

int steps_disk(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE];

	if (k->spec.disk_bytes == 0)
		return 0;
	k->disk_fd = open(paths_sandbox(&k->spec.host, k->spec.id, "disk", path),
			  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->disk_fd < 0)
		return err_sys(err, "can't make %s", path);
	if (steps_identity_file(k, "", k->disk_fd, err) < 0)
		return -1;
	steps_identity(k, "bytes=%llu", (unsigned long long)k->spec.disk_bytes);
	return mke2fs_start(&k->mke2fs, path, k->disk_fd, k->spec.disk_bytes, k->cgroup_fd, err);
}

/* What steps_disk started ran beside the steps between. */
int steps_format(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE];

	if (k->mke2fs.pid == 0)
		return 0;
	return mke2fs_wait(&k->mke2fs, paths_sandbox(&k->spec.host, k->spec.id, "disk", path),
			   k->spec.disk_bytes, err);
}

/* ---- keys, console ---- */

/* Whom it lets in: what a receipt can be asked about years later. They open nothing once the keys are gone. */
static int steps_people(struct keeper *k, struct err *err)
{
	const char *line = k->spec.people;
	int rc = 0;

	while (rc == 0 && *line) {
		size_t len = strcspn(line, "\n"), key = strcspn(line, " \n");
		char fingerprint[96];

		(void)snprintf(fingerprint, sizeof(fingerprint), "%.*s", (int)key, line);
		if (key > 0)
			rc = journal_fact(k->journal_fd, err, "key", fingerprint, "person=%.*s",
					  (int)(len > key ? len - key - 1 : 0),
					  len > key ? line + key + 1 : "");
		line += len + (line[len] == '\n');
	}
	return rc;
}

/* Into the file `name` below dir, and who it is. */
static int steps_key_file(struct keeper *k, const char *dir, const char *name, const char *prefix,
			  const char *text, struct err *err)
{
	auto_fd dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mode_t mode = strcmp(name, "ssh-key") == 0 ? 0600 : 0644;
	auto_fd fd = -1;

	if (dir_fd < 0)
		return err_sys(err, "can't open %s", dir);
	if (fd_replace_file(dir_fd, name, mode, text, strlen(text), err) < 0)
		return -1;
	fd = openat(dir_fd, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_sys(err, "can't open %s/%s", dir, name)
		      : steps_identity_file(k, prefix, fd, err);
}

int steps_keys(struct keeper *k, struct err *err)
{
	char dir[PATHS_SIZE], line[STR_NAME_MAX + sizeof(k->spec.host_key_public) + 4];

	(void)snprintf(line, sizeof(line), "%s %s\n", k->spec.name, k->spec.host_key_public);
	(void)paths_sandbox(&k->spec.host, k->spec.id, NULL, dir);
	if (steps_people(k, err) < 0)
		return -1;
	if (k->spec.host_key_sha256[0])
		steps_identity(k, "host-key=%s", k->spec.host_key_sha256);
	if (k->spec.client_key[0] &&
	    steps_key_file(k, dir, "ssh-key", "ssh-key-", k->spec.client_key, err) < 0)
		return -1;
	if (k->spec.host_key_public[0] == '\0')
		return 0;
	if (steps_key_file(k, dir, "known_hosts", "known-hosts-", line, err) < 0)
		return -1;
	/* the group may log in, but not look into the state directory; goes with the run directory */
	(void)paths_run(&k->spec.host, k->spec.id, NULL, dir);
	return steps_key_file(k, dir, "known_hosts", "run-known-hosts-", line, err);
}

int steps_console(struct keeper *k, struct err *err)
{
	struct launch_ring head = { .size = STEPS_CONSOLE_BYTES - sizeof(head) };
	char path[PATHS_SIZE];

	k->console_fd = open(paths_run(&k->spec.host, k->spec.id, "console", path),
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (k->console_fd < 0 || fallocate(k->console_fd, 0, 0, STEPS_CONSOLE_BYTES) < 0 ||
	    pwrite(k->console_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return err_sys(err, "can't make %s", path);
	if (fchown(k->console_fd, 0, steps_group(k)) < 0)
		return err_sys(err, "can't give %s to group %s", path, k->spec.host.group);
	if (marks_make(&k->spec.host, k->spec.id, steps_group(k), err) < 0)
		return -1;
	return steps_identity_file(k, "", k->console_fd, err);
}
