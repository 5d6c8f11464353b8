/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "store/paths.h"

#define STATUS_MAGIC	 0x4d465354u
#define STATUS_END_MAGIC 0x4d46454eu
#define STATUS_VERSION	 1u

static const char *const status_words[END_REASONS] = {
	[END_DESTROYED] = "destroyed",
	[END_EXPIRED] = "expired",
	[END_GUEST_POWEROFF] = "guest-poweroff",
	[END_GUEST_REBOOT] = "guest-reboot",
	[END_GUEST_HALT] = "guest-halt",
	[END_GUEST_PANIC] = "guest-panic",
	[END_OOM] = "oom",
	[END_SECCOMP] = "seccomp",
	[END_MONITOR_CRASH] = "monitor-crash",
	[END_KEEPER_LOST] = "keeper-lost",
	[END_HOST_REBOOT] = "host-reboot",
	[END_STOPPED] = "stopped",
	[END_CREATE_FAILED] = "create-failed",
	[END_HOST_STOPPED] = "host-stopped",
};
static_assert(ARRAY_SIZE(status_words) == END_REASONS, "a word for each reason");

const char *status_reason_word(uint32_t reason)
{
	if (reason >= END_REASONS || !status_words[reason])
		return "unknown";
	return status_words[reason];
}

uint32_t status_reason_from_word(const char *word)
{
	for (uint32_t i = 1; i < END_REASONS; i++)
		if (strcmp(word, status_words[i]) == 0)
			return i;
	return 0;
}

/* Read a whole record of exactly size bytes that begins with magic. */
static int status_read_record(const char *path, uint32_t magic, void *record, size_t size,
			      struct err *err)
{
	uint32_t found;
	ssize_t n = fd_read_file(AT_FDCWD, path, record, size, err);

	if (n < 0 && err->os_errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no %s", path);
	if (n < 0)
		return -1;
	if ((size_t)n != size)
		return err_set(err, ERR_FAILED, "%s is damaged", path);
	memcpy(&found, record, sizeof(found));
	if (found != magic)
		return err_set(err, ERR_FAILED, "%s is damaged", path);
	return 0;
}

static int status_write_record(const char *dir, const char *name, mode_t mode, const void *record,
			       size_t size, struct err *err)
{
	auto_fd dirfd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(err, "can't open %s", dir);
	return fd_replace_file(dirfd, name, mode, record, size, err);
}

int status_read(const struct host_config *host, const char *id, struct status_record *status,
		struct err *err)
{
	char path[PATHS_SIZE];

	if (status_read_record(paths_run(host, id, "status", path), STATUS_MAGIC, status,
			       sizeof(*status), err) < 0)
		return -1;
	status->boot_id[sizeof(status->boot_id) - 1] = '\0';
	status->cgroup[sizeof(status->cgroup) - 1] = '\0';
	status->keeper_cgroup[sizeof(status->keeper_cgroup) - 1] = '\0';
	return 0;
}

int status_write(const struct host_config *host, const char *id, struct status_record *status,
		 struct err *err)
{
	char dir[PATHS_SIZE];

	status->magic = STATUS_MAGIC;
	status->version = STATUS_VERSION;
	return status_write_record(paths_run(host, id, NULL, dir), "status", 0640, status,
				   sizeof(*status), err);
}

int status_read_end(const struct host_config *host, const char *id, struct end_record *end,
		    struct err *err)
{
	char path[PATHS_SIZE];

	if (status_read_record(paths_sandbox(host, id, "end", path), STATUS_END_MAGIC, end,
			       sizeof(*end), err) < 0)
		return -1;
	end->text[sizeof(end->text) - 1] = '\0';
	return 0;
}

int status_write_end(const struct host_config *host, const char *id, enum end_reason reason,
		     const char *text, struct err *err)
{
	char dir[PATHS_SIZE];
	struct end_record end = { .magic = STATUS_END_MAGIC, .reason = reason, .at_s = time(NULL) };

	(void)str_copy(end.text, sizeof(end.text), text ? text : "");
	return status_write_record(paths_sandbox(host, id, NULL, dir), "end", 0600, &end,
				   sizeof(end), err);
}

int status_forget_end(const struct host_config *host, const char *id, struct err *err)
{
	char path[PATHS_SIZE];
	auto_fd dir = open(paths_sandbox(host, id, NULL, path), O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "can't open %s", path);
	if ((unlinkat(dir, "end", 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
		return err_sys(err, "can't remove %s/end", path);
	return 0;
}
