/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define CONFIG_TEXT_MAX 65536

static const char *own_directory(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (len < 0)
		return NULL;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return NULL;
	*slash = '\0';
	return path;
}

int config_load(struct config *config, const char *path, struct err *err)
{
	char text[CONFIG_TEXT_MAX], exe[PATH_MAX];
	const char *name = path != NULL ? path : CONFIG_PATH;
	ssize_t len;

	config_defaults(config, own_directory(exe));
	len = fd_read_file(AT_FDCWD, name, text, sizeof(text), err);
	if (len < 0 && path == NULL && err->os_errno == ENOENT)
		return 0;
	if (len < 0) {
		err->code = ERR_USAGE;
		return err_wrap(err, "configuration");
	}
	return config_parse(config, name, text, (size_t)len, NULL, err);
}
