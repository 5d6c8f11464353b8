/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "cli/tree.h"

#define TAKE_BLOCK    65536
#define TAKE_TAIL_MAX (1u << 20) /* padding behind the archive's end */

struct take {
	struct tree *tree;
	struct archive *in, *disk;
	uint64_t bytes;
};

static int hostile(struct err *err, const char *what)
{
	return err_set(err, ERR_FAILED,
		       "the guest sends %s: the copy ends here; what came before stays", what);
}

/* path, called `there` at its beginning, with `here` in its place; allocated. NULL: it is called otherwise. */
static char *new_name(const struct tree *tree, const char *path)
{
	size_t n = strlen(tree->there);
	char *name = NULL;

	if (path == NULL || strncmp(path, tree->there, n) != 0 ||
	    (path[n] != '\0' && path[n] != '/'))
		return NULL;
	if (asprintf(&name, "%s%s", tree->here, path + n) < 0)
		return NULL;
	/* a directory is called so with a slash */
	for (size_t len = strlen(name); len > 1 && name[len - 1] == '/'; len--)
		name[len - 1] = '\0';
	return name;
}

static bool is_taken(struct take *take, struct archive_entry *entry)
{
	switch (archive_entry_hardlink(entry) != NULL ? AE_IFREG : archive_entry_filetype(entry)) {
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFLNK:
		return true;
	default:
		take->tree->n_left_out++;
		take->tree->left_out(take->tree->arg, archive_entry_pathname(entry),
				     "neither file, directory nor link");
		return false;
	}
}

/* What is there under the top's name must be of its kind: else a whole tree of the user's could give way to a file. */
static int check_top(const struct tree *tree, struct archive_entry *entry, struct err *err)
{
	bool dir = archive_entry_filetype(entry) == AE_IFDIR;
	struct stat st;

	if (strcmp(archive_entry_pathname(entry), tree->here) != 0 || lstat(tree->here, &st) < 0 ||
	    dir == S_ISDIR(st.st_mode))
		return 0;
	return err_set(err, ERR_FAILED, "%s: is %sa directory here, and %sthere", tree->here,
		       dir ? "not " : "", dir ? "" : "not ");
}

static int rename_entry(const struct tree *tree, struct archive_entry *entry, struct err *err)
{
	const char *target = archive_entry_hardlink(entry);
	char *name = new_name(tree, archive_entry_pathname(entry));
	char *link = target != NULL ? new_name(tree, target) : NULL;
	int rc = 0;

	if (name == NULL || (target != NULL && link == NULL))
		rc = hostile(err, "a name that wasn't asked for");
	if (rc == 0)
		archive_entry_copy_pathname(entry, name);
	if (rc == 0 && link != NULL)
		archive_entry_copy_hardlink(entry, link);
	free(name);
	free(link);
	return rc;
}

static int take_data(struct take *take, const char *path, struct err *err)
{
	const void *block;
	size_t n;
	la_int64_t offset;
	int rc;

	while ((rc = archive_read_data_block(take->in, &block, &n, &offset)) == ARCHIVE_OK) {
		take->bytes += n;
		if (take->tree->limit != 0 && take->bytes > take->tree->limit)
			return err_set(err, ERR_FAILED, "%s: more than --limit allows", path);
		if (archive_write_data_block(take->disk, block, n, offset) < ARCHIVE_OK)
			return err_set(err, ERR_FAILED, "%s: %s", path,
				       archive_error_string(take->disk));
		if (take->tree->moved != NULL)
			take->tree->moved(take->tree->arg, path, take->bytes);
	}
	return rc == ARCHIVE_EOF ? 0 : hostile(err, "what is no tar stream");
}

static int take_entry(struct take *take, struct archive_entry *entry, struct err *err)
{
	if (rename_entry(take->tree, entry, err) < 0)
		return -1;
	if (!is_taken(take, entry))
		return 0;
	if (check_top(take->tree, entry, err) < 0)
		return -1;
	if (!take->tree->archive)
		archive_entry_set_perm(entry, archive_entry_perm(entry) & 01777);
	if (archive_write_header(take->disk, entry) < ARCHIVE_WARN)
		return err_set(err, ERR_FAILED, "%s: %s", archive_entry_pathname(entry),
			       archive_error_string(take->disk));
	if (archive_entry_hardlink(entry) == NULL && archive_entry_size(entry) > 0 &&
	    take_data(take, archive_entry_pathname(entry), err) < 0)
		return -1;
	if (archive_write_finish_entry(take->disk) < ARCHIVE_WARN)
		return err_set(err, ERR_FAILED, "%s: %s", archive_entry_pathname(entry),
			       archive_error_string(take->disk));
	return 0;
}

/* The rest of the stream, so that who writes it comes to its end too. */
static int take_tail(const struct take *take, struct err *err)
{
	static char bytes[TAKE_BLOCK];
	size_t n = 0;
	ssize_t got;

	while (n < TAKE_TAIL_MAX && (got = read(take->tree->fd, bytes, sizeof(bytes))) > 0)
		n += (size_t)got;
	return n < TAKE_TAIL_MAX ? 0 : hostile(err, "more than its tar stream");
}

static int take_entries(struct take *take, struct err *err)
{
	struct archive_entry *entry;
	uint64_t n = 0;
	int rc;

	while ((rc = archive_read_next_header(take->in, &entry)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		if (take_entry(take, entry, err) < 0)
			return -1;
		n++;
	}
	if (rc != ARCHIVE_EOF)
		return hostile(err, "what is no tar stream");
	/* directories' modes and times come last */
	if (archive_write_close(take->disk) < ARCHIVE_WARN)
		return err_set(err, ERR_FAILED, "%s", archive_error_string(take->disk));
	return n > 0 ? take_tail(take, err) : hostile(err, "an empty tar stream");
}

int tree_take(struct tree *tree, struct err *err)
{
	struct take take = { .tree = tree,
			     .in = archive_read_new(),
			     .disk = archive_write_disk_new() };
	int flags = ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
		    ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
	int rc;

	BUG_ON(take.in == NULL || take.disk == NULL);
	/* tar alone, uncompressed: no other parser, no bomb */
	(void)archive_write_disk_set_options(take.disk,
					     flags | (tree->archive ? ARCHIVE_EXTRACT_OWNER : 0));
	if (archive_read_support_format_tar(take.in) != ARCHIVE_OK ||
	    archive_read_open_fd(take.in, tree->fd, TAKE_BLOCK) != ARCHIVE_OK)
		rc = err_set(err, ERR_FAILED, "%s", archive_error_string(take.in));
	else
		rc = take_entries(&take, err);
	if (rc < 0 && archive_filter_bytes(take.in, -1) <= 0) {
		(void)err_set(err, ERR_FAILED, "the guest sends nothing");
		err->os_errno = EPIPE;
	}
	(void)archive_read_free(take.in);
	(void)archive_write_free(take.disk);
	return rc;
}
