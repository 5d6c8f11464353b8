/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_MARKS_H
#define STORE_MARKS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * When a console had come how far: RUN_DIR/ID/console-marks (0640 root:GROUP), a ring of the last MARKS_MAX marks. The keeper
 * makes one when the sandbox is ready and one each minute in which something was written; the monitor, who writes the
 * console, has no clock. So times of a console are known to the minute.
 */
#define MARKS_FILE "console-marks"
#define MARKS_MAX  1440

/* Make the file. 0, or -1 with err. */
int marks_make(const struct host_config *host, const char *id, gid_t group, struct err *err);

/* Mark how far the console is now, unless it is as far as at the last mark. Best effort. */
void marks_note(const struct host_config *host, const char *id, int64_t now_s);

/*
 * How many bytes had been written at the last mark that isn't later than at_s; 0 when all marks are later. What was written
 * from at_s on comes behind. 0, or -1 with err (os_errno ENOENT, EACCES).
 */
int marks_before(const struct host_config *host, const char *id, int64_t at_s, uint64_t *written,
		 struct err *err);

#endif
