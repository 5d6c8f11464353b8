/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Steps of a sandbox that was stopped and starts again. What stays over a stop is taken up as it is found; all else is
 * made by the same steps as the first time. `end` stays until it is ready: whoever finds the remains of a start that died
 * stops it again, for the reason that it was stopped for before.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/date.h"
#include "keeper/steps.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/rest.h"
#include "store/status.h"

/* The lock, the spec as it is under it, and how its last run ended: on disk before a status says that one begins. */
int steps_rest(struct keeper *k, struct err *err)
{
	static struct store_entry entry; /* too large for a stack */
	uint32_t in_unit = k->spec.flags & SPEC_IN_UNIT;
	int lock = rest_take(&k->spec.host, k->spec.id, false, &entry, err);

	if (lock < 0)
		return -1;
	k->rest_end = entry.has_end ? entry.end.reason : END_HOST_REBOOT;
	if (!entry.has_end &&
	    status_write_end(&k->spec.host, k->spec.id, END_HOST_REBOOT, "", err) < 0) {
		lock_unclaim(&k->spec.host, k->spec.id, &lock);
		return -1;
	}
	k->spec = entry.spec;
	k->spec.flags = (k->spec.flags & ~(uint32_t)SPEC_IN_UNIT) | in_unit;
	k->deadline = entry.deadline;
	explicit_bzero(&entry, sizeof(entry));
	k->lock_fd = lock;
	return 0;
}

/* It is there: steps_rest has read what is in it. */
int steps_state_again(struct keeper *k, struct err *err)
{
	(void)k;
	(void)err;
	return 0;
}

int steps_journal_again(struct keeper *k, struct err *err)
{
	char date[STR_INSTANT_SIZE], dir[PATHS_SIZE];

	k->journal_fd = journal_open(&k->spec.host, k->spec.id, false, err);
	if (k->journal_fd < 0 ||
	    log_keep(paths_sandbox(&k->spec.host, k->spec.id, NULL, dir), err) < 0)
		return -1;
	log_note("starting again");
	if (journal_event(k->journal_fd, err, "starting name=%s until=%s", k->spec.name,
			  str_from_instant(k->deadline.deadline_s, date, sizeof(date))) < 0)
		return -1;
	return steps_fact_run(k, err);
}

/* A link that a crash of the host lost is made again. */
int steps_name_again(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE], target[PATHS_SIZE];
	ssize_t n =
		readlink(paths_name(&k->spec.host, k->spec.name, path), target, sizeof(target) - 1);

	if (n < 0 && errno == ENOENT)
		return steps_name(k, err);
	if (n < ID_LEN || strncmp(target + n - ID_LEN, k->spec.id, ID_LEN) != 0)
		return err_set(err, ERR_EXISTS, "the name %s is another sandbox's by now",
			       k->spec.name);
	return 0;
}

int steps_deadline_again(struct keeper *k, struct err *err)
{
	return date_resume(k, err);
}

int steps_disk_again(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE];
	struct stat st;

	if (k->spec.disk_bytes == 0)
		return 0;
	k->disk_fd = open(paths_sandbox(&k->spec.host, k->spec.id, "disk", path),
			  O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (k->disk_fd < 0 || fstat(k->disk_fd, &st) < 0)
		return err_sys(err, "can't open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)k->spec.disk_bytes)
		return err_set(err, ERR_FAILED, "%s is not the disk that was made: %llu bytes",
			       path, (unsigned long long)st.st_size);
	return 0;
}
