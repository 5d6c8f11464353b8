/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_FILES_H
#define GUEST_INIT_FILES_H

#include <stddef.h>
#include <sys/types.h>

/* Small files of the new root. Failures are said on the console; the machine comes up with what could be done. */

/* Replace path (a symlink is replaced, not followed) by len bytes. 0 or -1. */
int files_write(const char *path, mode_t mode, const void *data, size_t len);

/* Add text to the end of path unless a line of it already starts with `key`. 0 or -1. */
int files_append_once(const char *path, const char *key, const char *text);

/* Write text into an existing file of /proc or /sys; nothing is said when it isn't there. */
void files_set(const char *path, const char *text);

/* mkdir that doesn't mind an existing directory; the mode is set either way. */
int files_mkdir(const char *path, mode_t mode);

#endif
