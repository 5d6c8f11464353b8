/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/console.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/launch.h"
#include "store/paths.h"

#define CONSOLE_MAX   (16 << 20)
#define CONSOLE_LINES 200
#define CONSOLE_PANIC "Kernel panic - not syncing: "

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

/* What every end prints last, and says nothing of why. */
static bool console_is_noise(const char *line, size_t len)
{
	static const char *const noise[] = { "Kernel Offset: ", "reboot: ", "---[ end " };

	for (size_t i = 0; i < ARRAY_SIZE(noise); i++)
		if (memmem(line, len, noise[i], strlen(noise[i])))
			return true;
	while (len > 0 && (line[len - 1] <= 0x20 || line[len - 1] >= 0x7f))
		len--;
	return len == 0;
}

static size_t console_line_begin(const char *all, size_t end)
{
	const char *newline = end > 0 ? memrchr(all, '\n', end) : NULL;

	return newline ? (size_t)(newline - all) + 1 : 0;
}

/* A panic's own line, behind which a call trace may stand; else the last line that isn't noise. */
static void console_pick(const char *all, size_t len, const char **line, size_t *line_len)
{
	size_t end = len;

	*line_len = 0;
	for (int i = 0; i < CONSOLE_LINES; i++) {
		size_t begin = console_line_begin(all, end), n = end - begin;
		bool noise = console_is_noise(all + begin, n);
		bool panic = !noise && memmem(all + begin, n, CONSOLE_PANIC, strlen(CONSOLE_PANIC));

		if (!noise && (panic || *line_len == 0)) {
			*line = all + begin;
			*line_len = n;
		}
		if (panic || begin == 0)
			return;
		end = begin - 1;
	}
}

void console_last_line(const struct host_config *host, const char *id, char *out, size_t size)
{
	size_t len, line_len = 0, n = 0;
	char *all = console_read(host, id, &len);
	const char *line = NULL;

	if (all)
		console_pick(all, len, &line, &line_len);
	for (; n < line_len && n + 1 < size && line[n] != '\r'; n++)
		out[n] = line[n] >= 0x20 && line[n] < 0x7f ? line[n] : '?';
	out[n] = '\0';
	free(all);
}
