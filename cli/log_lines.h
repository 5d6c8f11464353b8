/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_LOG_LINES_H
#define CLI_LOG_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/output.h"
#include "cli/ring.h"

/*
 * A log, line by line: only those that are wanted, or only the last ones. Without either it is passed through byte by
 * byte. A line longer than LOG_LINE_SIZE counts as several.
 */
#define LOG_LINE_SIZE 4096
#define LOG_LINES_MAX 100000
#define LOG_LINES_ALL UINT64_MAX

struct log_lines {
	struct output output;
	uint64_t
		tail; /* keep back all but the last so many until log_lines_end; LOG_LINES_ALL: all pass at once */
	/* NULL: every line is wanted. len is without the line's end */
	bool (*wanted)(const char *line, size_t len, int64_t since_s);
	int64_t since_s; /* for wanted */
	/* not NULL: print each line as an object of --format json, written by this source */
	const char *json_source;

	char line[LOG_LINE_SIZE];
	size_t len;
	char **kept; /* a ring of `tail` texts, the next one at n_kept % tail */
	uint64_t n_kept;
};

/*
 * A keeper's line begins with its time: how much of it that takes, with *at_s set; 0 where there is none. Pure.
 */
size_t log_lines_time(const char *line, size_t len, int64_t *at_s);

/* Up to RING_CHUNK bytes more. 0, or -1 with err. */
int log_lines_put(struct log_lines *lines, const char *bytes, size_t len, struct err *err);

/*
 * What the ring has now; what is written meanwhile waits for the next call, else a guest that writes without end would
 * be printed without end.
 */
int log_lines_ring(struct log_lines *lines, struct ring *ring, struct err *err);

/* What was kept back, and a last line without an end; from now on all lines pass at once. 0, or -1 with err. */
int log_lines_end(struct log_lines *lines, struct err *err);

#endif
