/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/inject.h"

#ifdef MAYFLY_INJECT
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#endif
#include "keeper/bringup.h"
#include "keeper/teardown.h"

#define BRINGUP_PHASES	4
#define TEARDOWN_PHASES 2

unsigned inject_bringup(unsigned step, unsigned phase)
{
	return 1 + step * BRINGUP_PHASES + phase;
}

unsigned inject_teardown(unsigned step, unsigned phase)
{
	return 1 + bringup_steps() * BRINGUP_PHASES + step * TEARDOWN_PHASES + phase;
}

#ifdef MAYFLY_INJECT
static unsigned inject_armed, inject_victims;

void inject_arm(unsigned n, unsigned victims)
{
	inject_armed = n;
	inject_victims = victims;
}

/* Fields 3 and 4 of /proc/PID/stat: who its parent is; 0 when it is dead. */
static int inject_parent(const char *pid)
{
	char path[300], text[512];
	struct err ignored;
	ssize_t n;
	const char *behind;
	int parent = 0;
	char state = 'Z';

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &ignored);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	behind = strrchr(text, ')');
	return behind && sscanf(behind + 1, " %c %d", &state, &parent) == 2 && state != 'Z' ? parent
											    : 0;
}

/* Send signal to all children; how many there are. */
static unsigned inject_signal_children(int signal)
{
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	unsigned n = 0;

	while (proc && (d = readdir(proc)))
		if (isdigit((unsigned char)d->d_name[0]) && inject_parent(d->d_name) == getpid())
			n += kill(atoi(d->d_name), signal) == 0;
	if (proc)
		(void)closedir(proc);
	return n;
}

/* For the test that waits for it: this point was met, and somebody was there to be killed. */
static void inject_leave_word(void)
{
	const char *path = getenv("MAYFLY_INJECTED");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

	fd_close(&fd);
}

void inject_point(unsigned n)
{
	if (n != inject_armed ||
	    (inject_victims == INJECT_CHILDREN && inject_signal_children(0) == 0))
		return;
	inject_leave_word();
	if (inject_victims & INJECT_CHILDREN)
		(void)inject_signal_children(SIGKILL);
	if (inject_victims & INJECT_KEEPER)
		(void)kill(getpid(), SIGKILL);
}

unsigned inject_count(void)
{
	return bringup_steps() * BRINGUP_PHASES + teardown_steps() * TEARDOWN_PHASES;
}

const char *inject_name(unsigned n, char *buf, unsigned size)
{
	static const char *const up[BRINGUP_PHASES] = { "before", "intended", "made", "told" };
	static const char *const down[TEARDOWN_PHASES] = { "before", "undone" };
	unsigned i = n - 1, ups = bringup_steps() * BRINGUP_PHASES;

	if (n == 0 || n > inject_count())
		return NULL;
	if (i < ups)
		(void)snprintf(buf, size, "up %s %s", bringup_step_name(i / BRINGUP_PHASES),
			       up[i % BRINGUP_PHASES]);
	else
		(void)snprintf(buf, size, "down %s %s",
			       teardown_step_name((i - ups) / TEARDOWN_PHASES),
			       down[(i - ups) % TEARDOWN_PHASES]);
	return buf;
}
#endif
