/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/log_lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

static_assert(RING_CHUNK <= OUTPUT_CHUNK && LOG_LINE_SIZE <= OUTPUT_CHUNK, "goes out in one piece");

static bool passes_through(const struct log_lines *lines)
{
	return lines->wanted == NULL && lines->tail == LOG_LINES_ALL;
}

static void keep(struct log_lines *lines, const char *bytes, size_t len)
{
	size_t at;

	if (lines->tail == 0)
		return;
	if (lines->kept == NULL)
		lines->kept = calloc(lines->tail, sizeof(*lines->kept));
	BUG_ON(lines->kept == NULL);
	at = lines->n_kept++ % lines->tail;
	free(lines->kept[at]);
	lines->kept[at] = strndup(bytes, len);
	BUG_ON(lines->kept[at] == NULL);
}

/* The line is whole, or as long as it gets. */
static int take_line(struct log_lines *lines, struct err *err)
{
	size_t len = lines->len;
	size_t bare = len;

	while (bare > 0 && (lines->line[bare - 1] == '\n' || lines->line[bare - 1] == '\r'))
		bare--;
	lines->len = 0;
	if (len == 0 ||
	    (lines->wanted != NULL && !lines->wanted(lines->line, bare, lines->since_s)))
		return 0;
	if (lines->tail == LOG_LINES_ALL)
		return output_put(&lines->output, lines->line, len, err);
	keep(lines, lines->line, len);
	return 0;
}

int log_lines_put(struct log_lines *lines, const char *bytes, size_t len, struct err *err)
{
	if (passes_through(lines))
		return output_put(&lines->output, bytes, len, err);
	for (size_t i = 0; i < len; i++) {
		/* a guest's NUL would cut the kept text */
		lines->line[lines->len++] = bytes[i] != '\0' ? bytes[i] : '?';
		if ((bytes[i] == '\n' || lines->len == sizeof(lines->line)) &&
		    take_line(lines, err) < 0)
			return -1;
	}
	return 0;
}

int log_lines_ring(struct log_lines *lines, struct ring *ring, struct err *err)
{
	static char buf[RING_CHUNK];
	uint64_t written;
	ssize_t n = 1;

	if (ring_written(ring, &written, err) < 0)
		return -1;
	while (ring->at < written && (n = ring_read(ring, buf)) > 0) {
		if (log_lines_put(lines, buf, (size_t)n, err) < 0)
			return -1;
	}
	return n < 0 ? err_set(err, ERR_FAILED, "the console ring can't be read") : 0;
}

int log_lines_end(struct log_lines *lines, struct err *err)
{
	uint64_t n, tail = lines->tail;
	int rc = take_line(lines, err);

	lines->tail = LOG_LINES_ALL;
	n = lines->n_kept < tail ? lines->n_kept : tail;
	for (uint64_t i = lines->n_kept - n; i < lines->n_kept; i++) {
		char *line = lines->kept[i % tail];

		if (rc == 0)
			rc = output_put(&lines->output, line, strlen(line), err);
		free(line);
	}
	free(lines->kept);
	lines->kept = NULL;
	lines->n_kept = 0;
	return rc;
}
