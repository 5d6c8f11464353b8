/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/dir.h"

#include <errno.h>
#include <string.h>

int dir_next(DIR *stream, const struct dirent **entry, struct err *err)
{
	do {
		errno = 0;
		*entry = readdir(stream);
		if (!*entry)
			return errno == 0 ? 0 : err_sys(err, "can't read a directory");
	} while (strcmp((*entry)->d_name, ".") == 0 || strcmp((*entry)->d_name, "..") == 0);
	return 1;
}
