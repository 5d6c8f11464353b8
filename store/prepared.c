/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/prepared.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/deadline.h"
#include "store/paths.h"

int prepared_check(const struct host_config *host, struct err *err)
{
	char path[PATHS_SIZE], notes[128], wanted[128];
	auto_fd fd = open(paths_state(host, "host-state", path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, notes, sizeof(notes) - 1);
	struct deadline_now now;

	if (deadline_now(&now, err) < 0)
		return -1;
	notes[n < 0 ? 0 : n] = '\0';
	notes[strcspn(notes, "\n")] = '\0';
	(void)snprintf(wanted, sizeof(wanted), "boot %s", now.boot_id);
	return strcmp(notes, wanted) == 0 ? 0
					  : err_set(err, ERR_FAILED,
						    "this host is not prepared" ERR_MEND
						    "run `mayfly host up`, once per boot");
}
