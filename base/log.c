/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

static const char *log_program = "mayfly";
static bool log_journal;
static int log_dir_fd = -1, log_fd = -1;

void log_init(const char *program)
{
	log_program = program;
	log_journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
}

static int log_open(void)
{
	return openat(log_dir_fd, LOG_FILE, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      0600);
}

int log_keep(const char *dir, struct err *err)
{
	fd_close(&log_fd);
	fd_close(&log_dir_fd);
	log_dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log_fd = log_dir_fd >= 0 ? log_open() : -1;
	return log_fd < 0 ? err_sys(err, "can't write %s/" LOG_FILE, dir) : 0;
}

static const char *log_level_word(enum log_level level)
{
	if (level == LOG_LEVEL_ERROR)
		return "error: ";
	return level == LOG_LEVEL_WARNING ? "warning: " : "";
}

static void log_to_file(enum log_level level, const char *line)
{
	char date[STR_INSTANT_SIZE];
	struct stat st;

	if (log_fd < 0)
		return;
	if (fstat(log_fd, &st) == 0 && st.st_nlink == 0) { /* its sandbox is gone */
		fd_close(&log_fd);
		return;
	}
	if (st.st_size >= LOG_FILE_BYTES &&
	    renameat(log_dir_fd, LOG_FILE, log_dir_fd, LOG_FILE_OLD) == 0) {
		fd_close(&log_fd);
		log_fd = log_open();
	}
	(void)dprintf(log_fd, "%s %s%s\n", str_from_instant(time(NULL), date, sizeof(date)),
		      log_level_word(level), line);
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
	log_to_file(level, line);
}

void log_note(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_to_file(LOG_LEVEL_INFO, line);
}
