/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/group.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>

static char text[1u << 20]; /* a line of /etc/group */

/*
 * Not found may be what a failure in one of the name services looks like. groupadd(8) goes by this file, and so do we before anything
 * is said to be absent. 1, 0, or -1 with errno.
 */
static int group_in_file(const char *name, gid_t *gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group group, *found = NULL;
	int error, r;

	if (!file)
		return errno == ENOENT ? 0 : -1;
	do {
		error = fgetgrent_r(file, &group, text, sizeof(text), &found);
	} while (error == 0 && strcmp(found->gr_name, name) != 0);
	if (error == 0)
		*gid = found->gr_gid;
	r = error == 0 ? 1 : error == ENOENT && !ferror(file) ? 0 : -1;
	(void)fclose(file);
	errno = error;
	return r;
}

int group_find(const char *name, gid_t *gid, struct err *err)
{
	struct group group, *found;
	int r;

	*gid = 0;
	errno = getgrnam_r(name, &group, text, sizeof(text), &found);
	switch (errno) {
	case EAGAIN:
	case EINTR:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ERANGE:
		return err_sys(err, "can't look up the group %s", name);
	default: /* what absence may look like differs, getgrnam(3) */
		break;
	}
	if (found) {
		*gid = found->gr_gid;
		return 1;
	}
	r = group_in_file(name, gid);
	return r < 0 ? err_sys(err, "can't look up the group %s", name) : r;
}
