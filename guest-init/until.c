/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/until.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "guest-init/console.h"
#include "guest-init/say.h"
#include "guest-init/spawn.h"

#define UNTIL_OWN_MAX	8192
#define UNTIL_WALL_S	5 /* a child that hangs on a terminal ends then */
#define UNTIL_TERMINALS 1024

static int64_t until_deadline_s;
static char until_date[STR_INSTANT_SIZE];
static bool until_announced;

void until_install(void)
{
	struct stat st;

	if (lstat("/etc/motd", &st) == 0 && S_ISREG(st.st_mode) &&
	    rename("/etc/motd", UNTIL_MOTD_OWN) < 0)
		say("/etc/motd: %s", err_errno_text(errno));
	(void)unlink("/etc/motd");
	if (symlink(UNTIL_MOTD, "/etc/motd") < 0)
		say("/etc/motd: %s", err_errno_text(errno));
}

void until_set(int64_t deadline_s)
{
	until_deadline_s = deadline_s;
	(void)str_from_instant(deadline_s, until_date, sizeof(until_date));
}

const char *until_text(void)
{
	return until_date;
}

/* Whole or not at all, for who reads it meanwhile. */
static void until_write(const char *path, const char *text, size_t len)
{
	char fresh[64];
	auto_fd fd = -1;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, text, len) < 0 || rename(fresh, path) < 0)
		(void)unlink(fresh);
}

/* Up to size bytes; what isn't a plain file is none. */
static size_t until_own(char *text, size_t size)
{
	auto_fd fd = open(UNTIL_MOTD_OWN, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	n = read(fd, text, size);
	return n > 0 ? (size_t)n : 0;
}

void until_refresh(void)
{
	static char motd[UNTIL_OWN_MAX + 256];
	char file[128], left[32];
	int64_t left_s = until_deadline_s - (int64_t)time(NULL);
	size_t own = until_own(motd, UNTIL_OWN_MAX);
	int n;

	if (left_s < 0)
		left_s = 0;
	n = snprintf(file, sizeof(file), "until=%s\nuntil_s=%lld\nleft_s=%lld\n", until_date,
		     (long long)until_deadline_s, (long long)left_s);
	until_write(UNTIL_FILE, file, (size_t)n);
	n = snprintf(motd + own, sizeof(motd) - own,
		     "This machine and all that is on it go on %s, in %s.\n", until_date,
		     str_from_duration((uint64_t)left_s, left, sizeof(left)));
	until_write(UNTIL_MOTD, motd, own + (size_t)n);
}

void until_greet(int fd)
{
	char text[UNTIL_OWN_MAX + 256];
	auto_fd from = open(UNTIL_MOTD, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = from >= 0 ? read(from, text, sizeof(text)) : -1;

	if (n > 0)
		(void)fd_write_all(fd, text, (size_t)n);
}

/* ---- all terminals ---- */

static void until_tell(const char *path, const char *text, size_t len)
{
	auto_fd fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
		return;
	(void)!write(fd, text, len); /* what a stopped or full one doesn't take, it doesn't get */
}

static _Noreturn void until_tell_all(const char *text, size_t len)
{
	DIR *stream = opendir("/dev/pts");
	struct dirent *d;
	char path[64];

	(void)alarm(UNTIL_WALL_S);
	for (int i = 0; stream && i < UNTIL_TERMINALS && (d = readdir(stream)); i++) {
		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "/dev/pts/%.20s", d->d_name);
		until_tell(path, text, len);
	}
	until_tell(CONSOLE_DEVICE, text, len); /* last: it is the slowest */
	_exit(0);
}

static void until_wall(const char *what)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "\r\n\a%s\r\n", what);
	pid_t pid = spawn_fork(NULL);

	if (pid == 0)
		until_tell_all(text, (size_t)n);
	if (pid < 0)
		say("%s", what);
}

void until_notice(uint64_t left_s)
{
	char what[160], left[32];

	until_announced = true;
	(void)snprintf(what, sizeof(what),
		       "mayfly: this machine and all that is on it go in %s, on %s.",
		       str_from_duration(left_s, left, sizeof(left)), until_date);
	until_wall(what);
}

void until_moved(void)
{
	char what[160];

	if (!until_announced)
		return;
	(void)snprintf(what, sizeof(what), "mayfly: this machine has a new date: %s.", until_date);
	until_wall(what);
}
