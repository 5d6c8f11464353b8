/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * One line on stderr: "NAME: text". Where stderr is the journal's (JOURNAL_STREAM), lines carry the <level> prefix of
 * sd-daemon(3). For the CLI and the keeper; the monitor has its channel instead.
 */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/* Set the program's name; call once at start. */
void log_init(const char *program);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
