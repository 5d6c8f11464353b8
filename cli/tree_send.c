/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "cli/tree.h"

struct send {
	struct tree *tree;
	struct archive *disk, *out;
	struct archive_entry_linkresolver *links;
	uint64_t bytes;
};

static int out_failed(const struct send *send, struct err *err)
{
	int saved = archive_errno(send->out);

	(void)err_set(err, ERR_FAILED, "the copy: %s", archive_error_string(send->out));
	err->os_errno = saved;
	return -1;
}

static void leave_out(struct send *send, const char *path, const char *why)
{
	send->tree->n_left_out++;
	send->tree->left_out(send->tree->arg, path, why != NULL ? why : "can't be read");
}

static int put_zeroes(struct send *send, uint64_t n, struct err *err)
{
	static const char zeroes[65536];

	while (n > 0) {
		la_ssize_t part = archive_write_data(send->out, zeroes,
						     n < sizeof(zeroes) ? n : sizeof(zeroes));

		if (part <= 0)
			return out_failed(send, err);
		n -= (uint64_t)part;
	}
	return 0;
}

/* The format knows which zeroes are a hole, but wants to be given them. A file that shrinks meanwhile is filled up. */
static int put_data(struct send *send, struct archive_entry *entry, struct err *err)
{
	uint64_t size = (uint64_t)archive_entry_size(entry), at = 0;
	const void *block;
	size_t n;
	la_int64_t offset;
	int rc;

	while ((rc = archive_read_data_block(send->disk, &block, &n, &offset)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		if ((uint64_t)offset > at && put_zeroes(send, (uint64_t)offset - at, err) < 0)
			return -1;
		if (n > 0 && archive_write_data(send->out, block, n) < 0)
			return out_failed(send, err);
		at = (uint64_t)offset + n;
		send->bytes += n;
		if (send->tree->moved != NULL)
			send->tree->moved(send->tree->arg, archive_entry_pathname(entry),
					  send->bytes);
	}
	if (rc != ARCHIVE_EOF)
		leave_out(send, archive_entry_pathname(entry), archive_error_string(send->disk));
	return at < size ? put_zeroes(send, size - at, err) : 0;
}

/* `here` at its beginning becomes `there`. */
static int rename_entry(const struct send *send, struct archive_entry *entry, struct err *err)
{
	const char *path = archive_entry_pathname(entry);
	const char *rest = path + strlen(send->tree->here);
	char *name = NULL;

	BUG_ON(strncmp(path, send->tree->here, strlen(send->tree->here)) != 0);
	if (asprintf(&name, "%s%s", send->tree->there, rest) < 0)
		return err_set(err, ERR_FAILED, "no memory");
	archive_entry_copy_pathname(entry, name);
	free(name);
	return 0;
}

static int put_entry(struct send *send, struct archive_entry *entry, struct err *err)
{
	int rc;

	if (!send->tree->archive) {
		archive_entry_set_uid(entry, 0);
		archive_entry_set_gid(entry, 0);
	}
	archive_entry_copy_uname(entry, NULL);
	archive_entry_copy_gname(entry, NULL);
	rc = archive_write_header(send->out, entry);
	if (rc == ARCHIVE_FATAL)
		return out_failed(send, err);
	if (rc == ARCHIVE_FAILED) {
		leave_out(send, archive_entry_pathname(entry), archive_error_string(send->out));
		return 0;
	}
	if (archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == NULL &&
	    archive_entry_size(entry) > 0)
		return put_data(send, entry, err);
	return 0;
}

static int send_entries(struct send *send, struct archive_entry *entry, struct err *err)
{
	int rc;

	while ((rc = archive_read_next_header2(send->disk, entry)) != ARCHIVE_EOF) {
		struct archive_entry *linked = entry, *spare = NULL;
		const char *path = archive_entry_pathname(entry);

		if (rc == ARCHIVE_FATAL)
			return err_set(err, ERR_FAILED, "%s", archive_error_string(send->disk));
		if (rc == ARCHIVE_FAILED) {
			leave_out(send, path != NULL ? path : "?",
				  archive_error_string(send->disk));
			continue;
		}
		(void)archive_read_disk_descend(send->disk);
		if (archive_entry_filetype(entry) == AE_IFSOCK) {
			leave_out(send, path, "a socket");
			continue;
		}
		if (rename_entry(send, entry, err) < 0)
			return -1;
		archive_entry_linkify(send->links, &linked, &spare);
		if (put_entry(send, linked, err) < 0)
			return -1;
		archive_entry_clear(entry);
	}
	if (archive_write_close(send->out) != ARCHIVE_OK)
		return out_failed(send, err);
	return 0;
}

static int open_disk(const struct send *send, struct err *err)
{
	(void)archive_read_disk_set_symlink_physical(send->disk);
	(void)archive_read_disk_set_behavior(send->disk, ARCHIVE_READDISK_NO_XATTR |
								 ARCHIVE_READDISK_NO_ACL |
								 ARCHIVE_READDISK_NO_FFLAGS);
	if (archive_read_disk_open(send->disk, send->tree->here) != ARCHIVE_OK)
		return err_set(err, ERR_FAILED, "%s", archive_error_string(send->disk));
	return 0;
}

/* Names are bytes, in whatever encoding: they go as they are. */
static int open_out(const struct send *send, struct err *err)
{
	if (archive_write_set_format_pax(send->out) != ARCHIVE_OK ||
	    archive_write_set_options(send->out, "hdrcharset=BINARY") != ARCHIVE_OK ||
	    archive_write_open_fd(send->out, send->tree->fd) != ARCHIVE_OK)
		return out_failed(send, err);
	return 0;
}

int tree_send(struct tree *tree, struct err *err)
{
	struct send send = { .tree = tree,
			     .disk = archive_read_disk_new(),
			     .out = archive_write_new(),
			     .links = archive_entry_linkresolver_new() };
	struct archive_entry *entry = archive_entry_new();
	int rc = -1;

	BUG_ON(send.disk == NULL || send.out == NULL || send.links == NULL || entry == NULL);
	archive_entry_linkresolver_set_strategy(send.links, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
	if (open_disk(&send, err) == 0 && open_out(&send, err) == 0)
		rc = send_entries(&send, entry, err);
	archive_entry_free(entry);
	archive_entry_linkresolver_free(send.links);
	(void)archive_read_free(send.disk);
	(void)archive_write_free(send.out);
	return rc;
}
