/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/console.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proto/launch.h"
#include "store/paths.h"

#define CONSOLE_MAX (16 << 20)

/* All that the ring holds, oldest byte first: len bytes, to be freed, or NULL. */
static char *console_read(const struct host_config *host, const char *id, size_t *len)
{
	char path[PATHS_SIZE], *ring;
	auto_fd from = open(paths_run(host, id, "console", path), O_RDONLY | O_CLOEXEC);
	struct launch_ring head;
	struct stat st;
	size_t at;

	if (from < 0 || fstat(from, &st) < 0 || st.st_size <= (off_t)sizeof(head) ||
	    st.st_size > CONSOLE_MAX || fd_read_all(from, &head, sizeof(head)) < 0)
		return NULL;
	head.size = (uint64_t)st.st_size - sizeof(head);
	ring = malloc(2 * head.size);
	if (!ring)
		return NULL;
	if (fd_read_all(from, ring, head.size) < 0) {
		free(ring);
		return NULL;
	}
	*len = head.written < head.size ? head.written : head.size;
	at = head.written > head.size ? head.written % head.size : 0;
	memcpy(ring + head.size, ring, head.size);
	memmove(ring, ring + at, *len);
	return ring;
}

void console_keep(const struct host_config *host, const char *id)
{
	char path[PATHS_SIZE];
	auto_fd dir = open(paths_sandbox(host, id, NULL, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err ignored;
	size_t len;
	char *all = console_read(host, id, &len);

	if (dir >= 0 && all)
		(void)fd_replace_file(dir, "console-tail", 0600, all, len, &ignored);
	free(all);
}

static bool console_says(char c)
{
	return c > 0x20 && c < 0x7f;
}

void console_last_line(const struct host_config *host, const char *id, char *out, size_t size)
{
	size_t len, begin, n = 0;
	char *all = console_read(host, id, &len);

	out[0] = '\0';
	if (!all)
		return;
	while (len > 0 && !console_says(all[len - 1]))
		len--;
	for (begin = len; begin > 0 && all[begin - 1] != '\n'; begin--)
		;
	for (; begin < len && n + 1 < size; begin++, n++)
		out[n] = all[begin] >= 0x20 && all[begin] < 0x7f ? all[begin] : '?';
	out[n] = '\0';
	free(all);
}
