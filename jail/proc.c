/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "jail/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/fd.h"

#define STAT_MAX   1024
#define STATUS_MAX 8192

struct stat_line {
	char state;
	uint64_t start_time;
};

/* The second field is the program's name in parentheses and may itself hold spaces and parentheses: count from the last. */
static int parse_stat(const char *text, struct stat_line *out)
{
	const char *p = strrchr(text, ')');
	char *end;

	if (!p || p[1] != ' ')
		return -1;
	p += 2;
	out->state = *p;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -1;
		p++;
	}
	errno = 0;
	out->start_time = strtoull(p, &end, 10);
	return errno == 0 && end != p ? 0 : -1;
}

static int read_stat(pid_t pid, struct stat_line *out, struct err *err)
{
	char path[64], text[STAT_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, err);
	if (n < 0) {
		if (err->os_errno == ENOENT || err->os_errno == ESRCH)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	text[n] = '\0';
	if (parse_stat(text, out) < 0)
		return err_set(err, ERR_FAILED, "%s: not in the form that proc(5) describes", path);
	return 0;
}

int proc_start_time(pid_t pid, uint64_t *start_time, struct err *err)
{
	struct stat_line line;

	if (read_stat(pid, &line, err) < 0)
		return -1;
	*start_time = line.start_time;
	return 0;
}

int proc_alive(pid_t pid, uint64_t start_time, struct err *err)
{
	struct stat_line line;

	if (read_stat(pid, &line, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return line.start_time == start_time && line.state != 'Z' && line.state != 'X';
}

bool proc_is_alive(pid_t pid, uint64_t start_time)
{
	struct err ignored;

	return proc_alive(pid, start_time, &ignored) == 1;
}

struct uid_range {
	uint32_t first, n;
};

/* Of the four numbers of "Uid:" (real, effective, saved, file system) one that is in the range. */
static bool status_uid(const char *status, const struct uid_range *range, uint32_t *uid)
{
	const char *p = strstr(status, "\nUid:");
	unsigned int ids[4];

	if (!p || sscanf(p, "\nUid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		*uid = ids[i];
		if (ids[i] >= range->first && ids[i] - range->first < range->n)
			return true;
	}
	return false;
}

/* A process that ends meanwhile counts as not there. */
static int has_uid(const char *pid, const struct uid_range *range, uint32_t *uid, struct err *err)
{
	char path[64], text[STATUS_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, err);
	if (n < 0 &&
	    err->os_errno == EFBIG) /* a long list of groups comes behind all that is looked at */
		n = sizeof(text) - 1;
	if (n < 0)
		return err->os_errno == ENOENT || err->os_errno == ESRCH ? 0 : -1;
	text[n] = '\0';
	/* a zombie runs nothing and owns nothing; how soon it is waited for is its parent's affair */
	if (strstr(text, "\nState:\tZ") || strstr(text, "\nState:\tX"))
		return 0;
	return status_uid(text, range, uid) ? 1 : 0;
}

int proc_each_of_uids(uint32_t first, uint32_t n, bool (*visit)(pid_t pid, uint32_t uid, void *arg),
		      void *arg, struct err *err)
{
	const struct uid_range range = { first, n };
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	uint32_t uid = 0;
	bool more = true;
	int found = 0, r = 0;

	if (!dir)
		return err_sys(err, "/proc");
	while (found >= 0 && more && (r = dir_next(dir, &entry, err)) > 0) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		found = has_uid(entry->d_name, &range, &uid, err);
		if (found == 1)
			more = visit((pid_t)atoi(entry->d_name), uid, arg);
	}
	(void)closedir(dir);
	return found < 0 || r < 0 ? -1 : 0;
}

static bool take_pid(pid_t pid, uint32_t uid, void *arg)
{
	(void)uid;
	*(pid_t *)arg = pid;
	return false;
}

int proc_uid_in_use(uint32_t uid, pid_t *pid, struct err *err)
{
	pid_t found = 0;

	if (proc_each_of_uids(uid, 1, take_pid, &found, err) < 0)
		return -1;
	if (found > 0)
		*pid = found;
	return found > 0;
}
