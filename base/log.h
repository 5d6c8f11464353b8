/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

/*
 * One line on stderr: "NAME: text". Where stderr is the journal's (JOURNAL_STREAM), lines carry the <level> prefix of
 * sd-daemon(3). For the CLI and the keeper; the monitor has its channel instead.
 */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/* Set the program's name; call once at start. */
void log_init(const char *program);

/*
 * From now on lines go to the file LOG_FILE of this directory too, each as "2026-12-01T17:00:00Z level: text". When it has
 * grown beyond LOG_FILE_BYTES it becomes LOG_FILE_OLD, in place of an earlier one: both together stay bounded. Only root
 * may read them. 0, or -1 with err. A line that can't be written there is lost without a word.
 */
#define LOG_FILE       "keeper.log"
#define LOG_FILE_OLD   "keeper.log.old"
#define LOG_FILE_BYTES 65536
int log_keep(const char *dir, struct err *err);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* To the file alone: what nobody at a terminal asked to see. */
void log_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
