/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_DIR_H
#define BASE_DIR_H

#include <dirent.h>

#include "base/err.h"

/*
 * The next entry of a directory but "." and ".."; it lives until the next call. 1 with *entry, 0 at the end, -1 with err where it
 * can't be read: for readdir(3) itself that looks like the end, and what wasn't seen would be taken for absent.
 */
int dir_next(DIR *stream, const struct dirent **entry, struct err *err);

#endif
