/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One line on stderr that says what is waited for: on a terminal alone, only once a second has passed, drawn over and
 * erased at the end. Without colour.
 */
struct progress {
	bool terminal, drawn;
	int64_t since_ms;
	char text[200];
};

void progress_begin(struct progress *progress);

/* What is done now (printf form, one line; a guest's text in it is escaped). */
void progress_say(struct progress *progress, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* To be called now and then while waiting: draws what was said before the first second was over. */
void progress_tick(struct progress *progress);

/* The milliseconds after which progress_tick has something to do; -1: never. For poll(2). */
int progress_due_ms(const struct progress *progress);

/* Take the line away: before anything else is printed, and at the end. */
void progress_erase(struct progress *progress);

#endif
