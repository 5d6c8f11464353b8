/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "guest-init/say.h"

int files_write(const char *path, mode_t mode, const void *data, size_t len)
{
	auto_fd fd = -1;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0 || fd_write_all(fd, data, len) < 0) {
		say("%s: %s", path, err_errno_text(errno));
		return -1;
	}
	return 0;
}

static bool has_line(int fd, const char *key)
{
	static char text[65536];
	size_t key_len = strlen(key);
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return false;
	text[len] = '\0';
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, key_len) == 0)
			return true;
	}
	return false;
}

int files_append_once(const char *path, const char *key, const char *text)
{
	auto_fd fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd >= 0 && has_line(fd, key))
		return 0;
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0) {
		say("%s: %s", path, err_errno_text(errno));
		return -1;
	}
	return 0;
}

void files_set(const char *path, const char *text)
{
	auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)fd_write_all(fd, text, strlen(text));
}

int files_mkdir(const char *path, mode_t mode)
{
	if ((mkdir(path, mode) < 0 && errno != EEXIST) || chmod(path, mode) < 0) {
		say("%s: %s", path, err_errno_text(errno));
		return -1;
	}
	return 0;
}
