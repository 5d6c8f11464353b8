/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/deaths.h"

#ifdef MAYFLY_INJECT
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

enum { DEATHS_MONITOR, DEATHS_KEEPER, DEATHS_CLI, DEATHS_ROLES };

static const char *const deaths_names[DEATHS_ROLES] = { "monitor", "keeper", "cli" };
static const char *deaths_own = "";

/* Below the directory of the test; -1 without one. */
static int deaths_open(const char *name, int flags)
{
	const char *dir = getenv("MAYFLY_INJECT_DIR");
	char path[512];

	if (!dir || snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -1;
	return open(path, flags | O_CLOEXEC, 0600);
}

void deaths_role(const char *role)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	auto_fd fd = deaths_open(role, O_WRONLY | O_CREAT | O_TRUNC);

	deaths_own = role;
	if (fd >= 0)
		(void)!write(fd, pid, (size_t)n);
}

/* The parent of a process, by /proc/PID/stat; 0 when it is dead. */
static int deaths_parent(int pid)
{
	char path[64], text[512];
	const char *behind;
	struct err ignored;
	int parent = 0;
	char state = 'Z';
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &ignored);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	behind = strrchr(text, ')');
	return behind && sscanf(behind + 1, " %c %d", &state, &parent) == 2 && state != 'Z' ? parent
											    : 0;
}

/* The living process of a role; 0: none. */
static int deaths_pid(const char *role)
{
	char text[16] = "";
	auto_fd fd = deaths_open(role, O_RDONLY);
	int pid = 0;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		pid = atoi(text);
	return pid > 1 && (pid == getpid() || deaths_parent(pid) > 0) ? pid : 0;
}

/* Send signal (0: none) to a keeper's children; how many there are. */
static unsigned deaths_children(int keeper, int signal)
{
	DIR *proc = keeper ? opendir("/proc") : NULL;
	const struct dirent *d;
	unsigned n = 0;

	while (proc && (d = readdir(proc)))
		if (isdigit((unsigned char)d->d_name[0]) &&
		    deaths_parent(atoi(d->d_name)) == keeper)
			n += kill(atoi(d->d_name), signal) == 0;
	if (proc)
		(void)closedir(proc);
	return n;
}

static void deaths_trace(int fd, const char *point, const bool alive[DEATHS_ROLES])
{
	char line[200];
	int n = snprintf(line, sizeof(line), "%s\t%s\t", deaths_own, point);

	for (int i = 0; i < DEATHS_ROLES; i++)
		if (alive[i])
			n += snprintf(line + n, sizeof(line) - (size_t)n, "+%s", deaths_names[i]);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "\n");
	(void)!write(fd, line, (size_t)n);
}

static bool deaths_is_armed(const char *point)
{
	const char *armed = getenv("MAYFLY_INJECT");
	const char *space = armed ? strchr(armed, ' ') : NULL;

	return space && strcmp(space + 1, point) == 0;
}

static bool deaths_are_there(const bool alive[DEATHS_ROLES], bool victims[DEATHS_ROLES])
{
	const char *armed = getenv("MAYFLY_INJECT");
	const char *space = strchr(armed, ' ');

	for (int i = 0; i < DEATHS_ROLES; i++) {
		const char *at = strstr(armed, deaths_names[i]);

		victims[i] = at && at < space;
		if (victims[i] && !alive[i])
			return false;
	}
	return true;
}

void deaths_meet(const char *point)
{
	auto_fd trace = deaths_open("trace", O_WRONLY | O_APPEND), met = -1;
	bool alive[DEATHS_ROLES], victims[DEATHS_ROLES] = { false };
	int keeper, cli;

	if (!deaths_is_armed(point) && trace < 0)
		return;
	keeper = deaths_pid("keeper");
	cli = deaths_pid("cli");
	alive[DEATHS_MONITOR] = deaths_children(keeper, 0) > 0;
	alive[DEATHS_KEEPER] = keeper > 0;
	alive[DEATHS_CLI] = cli > 0;
	if (trace >= 0)
		deaths_trace(trace, point, alive);
	if (!deaths_is_armed(point) || !deaths_are_there(alive, victims))
		return;
	met = deaths_open("met", O_WRONLY | O_CREAT | O_EXCL);
	if (met < 0) /* it was met before */
		return;
	if (victims[DEATHS_MONITOR])
		(void)deaths_children(keeper, SIGKILL);
	if (victims[DEATHS_CLI] && cli != getpid())
		(void)kill(cli, SIGKILL);
	if (victims[DEATHS_KEEPER] && keeper != getpid())
		(void)kill(keeper, SIGKILL);
	for (int i = 0; i < DEATHS_ROLES; i++)
		if (victims[i] && strcmp(deaths_names[i], deaths_own) == 0)
			(void)kill(getpid(), SIGKILL);
}
#endif
