/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_group.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>

int host_group_there(const char *name, struct err *err)
{
	static char text[1u << 20]; /* a line of /etc/group */
	struct group group, *found;

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
		return found != NULL;
	}
}
