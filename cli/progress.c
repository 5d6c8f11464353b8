/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "cli/text.h"

#define PATIENCE_MS 1000

static int64_t now_ms(void)
{
	struct timespec ts;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &ts) < 0);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void progress_begin(struct progress *progress)
{
	const char *term = getenv("TERM");

	*progress = (struct progress){
		.terminal = isatty(STDERR_FILENO) == 1 && term != NULL && term[0] != '\0' &&
			    strcmp(term, "dumb") != 0,
		.since_ms = now_ms(),
	};
}

/* Columns of the terminal less one: a line that wraps can't be drawn over. */
static int width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1
									       : 79;
}

static void draw(struct progress *progress)
{
	(void)dprintf(STDERR_FILENO, "\r\033[K%.*s", width(), progress->text);
	progress->drawn = true;
}

void progress_say(struct progress *progress, const char *fmt, ...)
{
	char text[200];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)text_line(text, progress->text, sizeof(progress->text));
	if (progress_due_ms(progress) == 0 || progress->drawn)
		draw(progress);
}

int progress_due_ms(const struct progress *progress)
{
	int64_t left = progress->since_ms + PATIENCE_MS - now_ms();

	if (!progress->terminal || progress->drawn || progress->text[0] == '\0')
		return -1;
	return left > 0 ? (int)left : 0;
}

void progress_tick(struct progress *progress)
{
	if (progress_due_ms(progress) == 0)
		draw(progress);
}

void progress_erase(struct progress *progress)
{
	if (progress->drawn)
		(void)dprintf(STDERR_FILENO, "\r\033[K");
	progress->drawn = false;
}
