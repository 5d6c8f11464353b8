/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "store/paths.h"

#define FILE_NAME    "host-state"
#define FILE_MAX     (4u << 20)
#define BOOT_ID_SIZE 40

/* The whole file, terminated; "" when it is missing. NULL with err. The caller frees it. */
static char *load(const struct host_config *host, struct err *err)
{
	char path[PATHS_SIZE];
	char *text = malloc(FILE_MAX + 1);
	ssize_t n;

	if (!text) {
		(void)err_set(err, ERR_FAILED, "no memory for the host's state");
		return NULL;
	}
	n = fd_read_file(AT_FDCWD, paths_state(host, FILE_NAME, path), text, FILE_MAX, err);
	if (n < 0 && err->os_errno != ENOENT) {
		free(text);
		return NULL;
	}
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int store(const struct host_config *host, const char *text, struct err *err)
{
	auto_fd dir = open(host->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(err, "can't open %s", host->state_dir);
	return fd_replace_file(dir, FILE_NAME, 0600, text, strlen(text), err);
}

static int boot_line(char line[BOOT_ID_SIZE + 8], struct err *err)
{
	char id[BOOT_ID_SIZE];
	ssize_t n = fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", id, sizeof(id), err);

	if (n < 0)
		return -1;
	(void)snprintf(line, BOOT_ID_SIZE + 8, "boot %.*s\n", (int)strcspn(id, "\n"), id);
	return 0;
}

/* Rewrite text so that it is this boot's: its line in front, of the rest only what outlives a boot. */
static int renew(const struct host_config *host, const char *text, const char *boot,
		 struct err *err)
{
	char *fresh = malloc(strlen(text) + strlen(boot) + 1);
	size_t len;
	int r;

	if (!fresh)
		return err_set(err, ERR_FAILED, "no memory for the host's state");
	len = (size_t)sprintf(fresh, "%s", boot);
	for (const char *line = text; *line;
	     line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
		if (strncmp(line, "group ", 6) == 0)
			len += (size_t)sprintf(fresh + len, "%.*s\n", (int)strcspn(line, "\n"),
					       line);
	r = store(host, fresh, err);
	free(fresh);
	return r;
}

int host_state_begin(const struct host_config *host, bool make, struct err *err)
{
	char boot[BOOT_ID_SIZE + 8];
	char *text = load(host, err);
	int r = 0;

	if (!text || boot_line(boot, err) < 0)
		r = -1;
	else if (strncmp(text, boot, strlen(boot)) != 0 && (make || text[0]))
		r = renew(host, text, boot, err);
	free(text);
	return r;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = strstr(text, line); p; p = strstr(p + 1, line))
		if ((p == text || p[-1] == '\n') && p[len] == '\n')
			return true;
	return false;
}

int host_state_note(const struct host_config *host, struct err *err, const char *fmt, ...)
{
	char line[HOST_STATE_LINE_MAX], *text, *longer;
	va_list args;
	int r;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	text = load(host, err);
	if (!text)
		return -1;
	if (has_line(text, line)) {
		free(text);
		return 0;
	}
	r = asprintf(&longer, "%s%s\n", text, line);
	free(text);
	if (r < 0)
		return err_set(err, ERR_FAILED, "no memory for the host's state");
	r = store(host, longer, err);
	free(longer);
	return r;
}

/* Start of the last line in text[0 … len), which ends with a newline */
static size_t last_line(const char *text, size_t len)
{
	size_t start = len - 1;

	while (start > 0 && text[start - 1] != '\n')
		start--;
	return start;
}

int host_state_each(const struct host_config *host, const char *kind,
		    int (*visit)(const char *rest, void *arg, struct err *err), void *arg,
		    struct err *err)
{
	char *text = load(host, err);
	size_t kind_len = strlen(kind);
	int r = text ? 0 : -1;

	for (size_t len = text ? strlen(text) : 0; len > 0 && r == 0;) {
		size_t start = last_line(text, len);

		text[len - 1] = '\0';
		if (strncmp(text + start, kind, kind_len) == 0 && text[start + kind_len] == ' ')
			r = visit(text + start + kind_len + 1, arg, err);
		len = start;
	}
	free(text);
	return r;
}

int host_state_forget(const struct host_config *host, struct err *err)
{
	/* the second one is what a crash in fd_replace_file leaves */
	static const char *const names[] = { FILE_NAME, FILE_NAME ".new" };
	char path[PATHS_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (unlink(paths_state(host, names[i], path)) < 0 && errno != ENOENT)
			return err_sys(err, "can't remove %s", path);
	return 0;
}
