/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "jail/uids.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/str.h"

const struct uids_files uids_host_files = {
	.passwd = "/etc/passwd",
	.group = "/etc/group",
	.subuid = "/etc/subuid",
	.subgid = "/etc/subgid",
};

struct range {
	uint64_t first;
	uint64_t count;
};

static bool overlaps(const struct range *a, const struct range *b)
{
	return a->count && b->count && a->first < b->first + b->count &&
	       b->first < a->first + a->count;
}

/* The field'th colon-separated field (0 …) as a number; false when it isn't there or isn't one. Keeps line as it is. */
static bool number_field(const char *line, int field, uint64_t *out)
{
	char text[24];
	size_t len;

	for (; field > 0; field--) {
		line = strchr(line, ':');
		if (!line)
			return false;
		line++;
	}
	len = strcspn(line, ":\n");
	if (len >= sizeof(text))
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	return str_to_u64(text, UINT32_MAX, out);
}

/* NAME:x:ID… (passwd, group) */
static bool parse_account(const char *line, struct range *out)
{
	out->count = 1;
	return line[0] != '#' && number_field(line, 2, &out->first);
}

/* NAME:FIRST:COUNT (subuid, subgid) */
static bool parse_sub(const char *line, struct range *out)
{
	return line[0] != '#' && strncmp(line, UIDS_OWNER ":", sizeof(UIDS_OWNER)) != 0 &&
	       number_field(line, 1, &out->first) && number_field(line, 2, &out->count);
}

static int check_line(const char *path, unsigned int number, const char *line,
		      const struct range *claimed, const struct range *ours, struct err *err)
{
	if (!overlaps(claimed, ours))
		return 0;
	return err_set(err, ERR_USAGE,
		       "%s:%u: \"%.*s\" owns ids of the sandboxes' range %llu-%llu: move the range "
		       "(uid_base) or that entry",
		       path, number, (int)strcspn(line, ":\n"), line,
		       (unsigned long long)ours->first,
		       (unsigned long long)(ours->first + ours->count - 1));
}

static int check_file(const char *path, bool (*parse)(const char *, struct range *),
		      const struct range *ours, struct err *err)
{
	FILE *file;
	char *line = NULL;
	size_t size = 0;
	unsigned int number = 0;
	int rc = 0;

	if (!path)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : err_sys(err, "%s", path);
	while (rc == 0 && getline(&line, &size, file) >= 0) {
		struct range claimed;

		number++;
		if (parse(line, &claimed))
			rc = check_line(path, number, line, &claimed, ours, err);
	}
	if (rc == 0 && ferror(file))
		rc = err_sys(err, "%s", path);
	free(line);
	(void)fclose(file);
	return rc;
}

static int check_special(const struct range *ours, struct err *err)
{
	static const uint64_t special[] = { 0, 65535, UINT32_MAX };

	if (ours->count == 0)
		return err_set(err, ERR_USAGE, "the sandboxes' uid range is empty");
	if (ours->first + ours->count - 1 > UINT32_MAX)
		return err_set(err, ERR_USAGE,
			       "the sandboxes' uid range ends beyond the last uid, 4294967295");
	for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
		const struct range one = { special[i], 1 };

		if (overlaps(&one, ours))
			return err_set(err, ERR_USAGE,
				       "the sandboxes' uid range %llu-%llu holds %llu, which is no "
				       "ordinary id",
				       (unsigned long long)ours->first,
				       (unsigned long long)(ours->first + ours->count - 1),
				       (unsigned long long)special[i]);
	}
	return 0;
}

int uids_check(uint32_t base, uint32_t count, const struct uids_files *files, struct err *err)
{
	const struct range ours = { base, count };

	if (check_special(&ours, err) < 0 ||
	    check_file(files->passwd, parse_account, &ours, err) < 0 ||
	    check_file(files->group, parse_account, &ours, err) < 0 ||
	    check_file(files->subuid, parse_sub, &ours, err) < 0 ||
	    check_file(files->subgid, parse_sub, &ours, err) < 0)
		return -1;
	return 0;
}
