/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "jail/uids.h"

#define RANGES_FILE_MAX (1 << 20)

static const char *const ranges_files[] = { "subuid", "subgid" };

/* All lines of text but the owner's, then `line` ("": none). */
static size_t ranges_rewrite(const char *text, const char *line, char *out)
{
	size_t n = 0, len;

	for (; *text != '\0'; text += len) {
		len = strcspn(text, "\n");
		len += text[len] == '\n';
		if (strncmp(text, UIDS_OWNER ":", sizeof(UIDS_OWNER)) == 0)
			continue;
		memcpy(out + n, text, len);
		n += len;
	}
	if (line[0] != '\0' && n > 0 && out[n - 1] != '\n')
		out[n++] = '\n';
	len = strlen(line);
	memcpy(out + n, line, len);
	return n + len;
}

static int ranges_edit(int etc, const char *name, const char *line, struct err *err)
{
	char *text = calloc(2, RANGES_FILE_MAX + 256), *fresh, half[32];
	ssize_t len;
	size_t n;
	int rc = 0;

	if (text == NULL)
		return err_sys(err, "/etc/%s", name);
	fresh = text + RANGES_FILE_MAX + 256;
	len = fd_read_file(etc, name, text, RANGES_FILE_MAX, err);
	if (len < 0 && err->os_errno != ENOENT) {
		free(text);
		return err_wrap(err, "/etc");
	}
	(void)snprintf(half, sizeof(half), "%s.new", name);
	(void)unlinkat(etc, half, 0); /* of one who was killed while it wrote */
	n = ranges_rewrite(text, line, fresh);
	if (n != (size_t)(len < 0 ? 0 : len) || memcmp(text, fresh, n) != 0)
		rc = fd_replace_file(etc, name, 0644, fresh, n, err);
	free(text);
	return rc;
}

static int ranges_set(const char *line, struct err *err)
{
	auto_fd etc = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (etc < 0)
		return err_sys(err, "/etc");
	if (lckpwdf() < 0) /* useradd and its like take it too; it dies with its holder */
		return err_sys(err, "/etc/.pwd.lock");
	for (size_t i = 0; i < ARRAY_SIZE(ranges_files) && rc == 0; i++)
		rc = ranges_edit(etc, ranges_files[i], line, err);
	(void)ulckpwdf();
	return rc;
}

int host_ranges_reserve(const struct host_config *host, struct err *err)
{
	char line[64];

	(void)snprintf(line, sizeof(line), UIDS_OWNER ":%u:%u\n", host->uid_base, host->slot_count);
	return ranges_set(line, err);
}

int host_ranges_release(struct err *err)
{
	return ranges_set("", err);
}
