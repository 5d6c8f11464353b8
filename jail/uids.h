/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef JAIL_UIDS_H
#define JAIL_UIDS_H

#include <stdint.h>

#include "base/err.h"

/* The files that say who owns which uid and gid. A file that isn't there claims nothing; NULL: not looked at. */
struct uids_files {
	const char *passwd; /* /etc/passwd */
	const char *group;  /* /etc/group */
	const char *subuid; /* /etc/subuid */
	const char *subgid; /* /etc/subgid */
};

extern const struct uids_files uids_host_files;

/* Who holds the sandboxes' own entry in subuid and subgid (keeper/host_ranges.h); it claims nothing from us. */
#define UIDS_OWNER "mayfly-sandboxes"

/*
 * May sandboxes have uids (and gids) base … base + count - 1? 0, or -1 with err (ERR_USAGE): the range is empty, wraps,
 * holds 0, 65535 or 4294967295 (ids with a meaning), or a line of a file, which is named with its number, claims part of
 * it. Lines that those files' other readers skip (comments, NIS "+", garbage) claim nothing.
 */
int uids_check(uint32_t base, uint32_t count, const struct uids_files *files, struct err *err);

#endif
