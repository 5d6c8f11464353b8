/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/log_lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/str.h"
#include "cli/json.h"
#include "cli/text.h"

static_assert(RING_CHUNK <= OUTPUT_CHUNK && LOG_LINE_SIZE <= OUTPUT_CHUNK, "goes out in one piece");

static bool passes_through(const struct log_lines *lines)
{
	return lines->wanted == NULL && lines->tail == LOG_LINES_ALL && lines->json_source == NULL;
}

/* "2026-12-01T17:00:00Z text": the length of what stands before the text; 0: no time. */
size_t log_lines_time(const char *line, size_t len, int64_t *at_s)
{
	char date[STR_INSTANT_SIZE];
	size_t n = 0;

	while (n < len && n < sizeof(date) - 1 && line[n] != ' ') {
		date[n] = line[n];
		n++;
	}
	date[n] = '\0';
	if (!str_to_instant(date, at_s))
		return 0;
	return n < len ? n + 1 : n;
}

static int put_json(const struct log_lines *lines, const char *line, size_t len, struct err *err)
{
	static char escaped[TEXT_ESCAPED_SIZE(LOG_LINE_SIZE)];
	json_t *object = json_object();
	int64_t at_s = 0;
	size_t head = 0;
	int rc;

	if (strcmp(lines->json_source, "keeper") == 0)
		head = log_lines_time(line, len, &at_s);
	(void)text_escape(line + head, len - head, escaped, NULL);
	json_put_text(object, "source", lines->json_source);
	json_put_instant(object, "time", at_s);
	rc = json_object_set_new(object, "text", json_string(escaped));
	BUG_ON(rc < 0);
	return json_print_line(object, err);
}

static int put(struct log_lines *lines, const char *line, size_t len, struct err *err)
{
	size_t bare = len;

	if (lines->json_source == NULL)
		return output_put(&lines->output, line, len, err);
	while (bare > 0 && (line[bare - 1] == '\n' || line[bare - 1] == '\r'))
		bare--;
	return put_json(lines, line, bare, err);
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
		return put(lines, lines->line, len, err);
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
			rc = put(lines, line, strlen(line), err);
		free(line);
	}
	free(lines->kept);
	lines->kept = NULL;
	lines->n_kept = 0;
	return rc;
}
