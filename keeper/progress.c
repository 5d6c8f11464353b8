/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/progress.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/keeper.h"
#include "keeper/pass.h"

#define PROGRESS_TRIES	  10
#define PROGRESS_AGAIN_MS 20

/* An address with a leading NUL for abstract names. */
static socklen_t progress_address(struct sockaddr_un *sa, const char *name, bool abstract)
{
	size_t at = abstract ? 1 : 0;

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)str_copy(sa->sun_path + at, sizeof(sa->sun_path) - at, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(sa->sun_path + at) + 1);
}

struct ctl_record progress_record(const char *id, const char *name, uint32_t type, uint32_t code,
				  const char *text)
{
	struct ctl_record record = { .type = type, .code = code };

	(void)str_copy(record.id, sizeof(record.id), id);
	(void)str_copy(record.name, sizeof(record.name), name);
	(void)str_copy(record.text, sizeof(record.text), text);
	return record;
}

/* Who waits takes a keeper that it doesn't hear any more for dead: what is short for a moment only is tried again. */
static int progress_send(int fd, const struct ctl_record *record)
{
	for (int i = 0;; i++) {
		if (pass_send(fd, record, sizeof(*record), -1) == 0)
			return 0;
		if (i == PROGRESS_TRIES || errno == EPIPE || errno == ECONNRESET)
			return -1;
		(void)poll(NULL, 0, PROGRESS_AGAIN_MS);
	}
}

void progress_tell(struct keeper *k, uint32_t type, uint32_t code, const char *text)
{
	struct ctl_record record = progress_record(k->spec.id, k->spec.name, type, code, text);

	if (type == CTL_STEP && code != 0)
		log_note("%s", text);
	if (k->progress_fd >= 0 && progress_send(k->progress_fd, &record) < 0)
		fd_close(&k->progress_fd);
}

void progress_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	auto_fd fd = -1;
	struct sockaddr_un sa;
	socklen_t len;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	len = progress_address(&sa, path[0] == '@' ? path + 1 : path, path[0] == '@');
	/* who is told may not listen: that must not hold up an end */
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			     (const struct sockaddr *)&sa, len);
}
