/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *log_program = "mayfly";
static bool log_journal;

void log_init(const char *program)
{
	log_program = program;
	log_journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (log_journal)
		(void)dprintf(STDERR_FILENO, "<%d>%s: %s\n", (int)level, log_program, line);
	else
		(void)dprintf(STDERR_FILENO, "%s: %s\n", log_program, line);
}
