/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What the kernel tells of what a step has made. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "keeper/steps.h"
#include "store/deadline.h"
#include "store/journal.h"
#include "store/paths.h"

static_assert(KEEPER_IDENTITY_SIZE + 100 < JOURNAL_LINE_MAX, "a fact fits in a line");

static size_t steps_identity_room(struct keeper *k, char **at)
{
	size_t used = strlen(k->identity);

	if (used > 0 && used < sizeof(k->identity) - 1)
		k->identity[used++] = ' ';
	*at = k->identity + used;
	return sizeof(k->identity) - used;
}

void steps_identity(struct keeper *k, const char *fmt, ...)
{
	char *at;
	size_t room = steps_identity_room(k, &at);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(at, room, fmt, args);
	va_end(args);
}

int steps_identity_file(struct keeper *k, const char *prefix, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "can't look at what was made");
	steps_identity(k, "%sdev=%llu %sino=%llu", prefix, (unsigned long long)st.st_dev, prefix,
		       (unsigned long long)st.st_ino);
	return 0;
}

/*
 * The ids of its namespaces (namespaces(7)) and the files that it was given. They have no row of their own in the teardown
 * table: its namespaces end with the last process in them, and the first one of its pid namespace takes all others along.
 */
void steps_identity_monitor(struct keeper *k)
{
	static const char *const kinds[] = { "mnt", "net", "pid", "user", "ipc", "uts" };
	const struct {
		const char *name;
		int fd;
	} files[] = { { "initrd", k->initrd_fd },
		      { "kernel", k->kernel_fd },
		      { "image", k->image_fd } };
	char path[64], link[64];
	unsigned long long ns;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)k->child.pid, kinds[i]);
		n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		if (sscanf(link, "%*[a-z]:[%llu]", &ns) == 1)
			steps_identity(k, "%sns=%llu", kinds[i], ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (files[i].fd >= 0 && fstat(files[i].fd, &st) == 0)
			steps_identity(k, "%s=%llu:%llu", files[i].name,
				       (unsigned long long)st.st_dev,
				       (unsigned long long)st.st_ino);
}

/*
 * The run directory and this process, in this boot. It and the state directory are there before the journal can be: the
 * spec in the spool, which has the id, is their intent.
 */
int steps_fact_run(struct keeper *k, struct err *err)
{
	char path[PATHS_SIZE];
	struct stat st;

	if (stat(paths_run(&k->spec.host, k->spec.id, NULL, path), &st) < 0)
		return err_sys(err, "can't look at %s", path);
	return journal_fact(k->journal_fd, err, "run", k->spec.id,
			    "dev=%llu ino=%llu keeper=%d start=%llu boot=%s",
			    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
			    (int)k->status.keeper_pid, (unsigned long long)k->status.keeper_start,
			    k->status.boot_id);
}
