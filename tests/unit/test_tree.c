/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A copy's stream out of a sandbox: the test plays a guest's tar, honest and hostile. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/place.h"
#include "cli/tree.h"

static char folder[] = "/tmp/mayfly-tree-XXXXXX";
static uint64_t n_told;

/* One entry of a stream. */
struct item {
	unsigned type;		 /* AE_IF…; 0 ends the list */
	const char *name, *link; /* link: of a symlink; of another type a hard link's target */
	unsigned mode;
	const char *data;
};

static int make_stream(const struct item *items)
{
	struct archive *out = archive_write_new();
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_int_equal(archive_write_set_format_pax(out), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(out, fd), ARCHIVE_OK);
	for (; items->type != 0; items++) {
		struct archive_entry *entry = archive_entry_new();

		archive_entry_set_pathname(entry, items->name);
		archive_entry_set_filetype(entry, items->type);
		archive_entry_set_perm(entry, (mode_t)items->mode);
		archive_entry_set_mtime(entry, 1000000000, 5);
		if (items->link != NULL && items->type == AE_IFLNK)
			archive_entry_set_symlink(entry, items->link);
		else if (items->link != NULL)
			archive_entry_set_hardlink(entry, items->link);
		archive_entry_set_size(entry,
				       items->data != NULL ? (la_int64_t)strlen(items->data) : 0);
		assert_true(archive_write_header(out, entry) >= ARCHIVE_WARN);
		if (items->data != NULL)
			assert_true(archive_write_data(out, items->data, strlen(items->data)) >= 0);
		archive_entry_free(entry);
	}
	assert_int_equal(archive_write_close(out), ARCHIVE_OK);
	(void)archive_write_free(out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void note(void *arg, const char *path, const char *why)
{
	(void)arg;
	assert_non_null(path);
	assert_non_null(why);
	n_told++;
}

/* Take a stream that should be called `there` as `here`, in the folder "in". */
static int take(int fd, const char *here, const char *there, uint64_t limit, struct err *err)
{
	struct tree tree = {
		.fd = fd, .here = here, .there = there, .limit = limit, .left_out = note
	};
	int rc = tree_take(&tree, err);

	n_told = tree.n_left_out;
	fd_close(&fd);
	return rc;
}

static int setup(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command),
		       "rm -rf %s/* && mkdir %s/in && echo secret > %s/outside", folder, folder,
		       folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(chdir("in"), 0);
	(void)umask(022);
	return 0;
}

static void expect_content(const char *path, const char *content)
{
	char bytes[64] = "";
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, bytes, sizeof(bytes) - 1) >= 0);
	assert_string_equal(bytes, content);
	fd_close(&fd);
}

static void an_honest_tree(void **state)
{
	static const struct item items[] = {
		{ AE_IFDIR, "data/", NULL, 02770, NULL },
		{ AE_IFREG, "data/file", NULL, 06755, "text" },
		{ AE_IFREG, "data/same", "data/file", 0755, NULL },
		{ AE_IFLNK, "data/link", "../../outside", 0777, NULL },
		{ AE_IFREG, "data/new\nline", NULL, 0600, "" },
		{ 0 },
	};
	struct stat st, same;
	struct err err;

	(void)state;
	assert_int_equal(take(make_stream(items), "mine", "data", 0, &err), 0);
	assert_int_equal(n_told, 0);
	assert_int_equal(stat("mine", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0770);
	assert_int_equal(st.st_mtime, 1000000000);
	assert_int_equal(stat("mine/file", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* no set-uid bit */
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(stat("mine/same", &same), 0);
	assert_int_equal(same.st_ino, st.st_ino);
	assert_int_equal(lstat("mine/link", &st), 0); /* made, as it is; never gone through */
	assert_int_equal(access("mine/new\nline", F_OK), 0);
	expect_content("../outside", "secret\n");
}

static void a_hostile_tree(void **state)
{
#define TOP                                                                                        \
	{                                                                                          \
		AE_IFDIR, "data", NULL, 0755, NULL                                                 \
	}
	static const struct item cases[][5] = {
		{ { AE_IFREG, "/tmp/mayfly-tree-out", NULL, 0644, "x" } },
		{ { AE_IFREG, "other", NULL, 0644, "x" } },
		{ { AE_IFREG, "database", NULL, 0644, "x" } },
		{ { AE_IFREG, "../outside", NULL, 0644, "x" } },
		{ TOP, { AE_IFREG, "data/../../outside", NULL, 0644, "x" } },
		{ TOP, { AE_IFREG, "data/..", NULL, 0644, "x" } },
		/* through a link of its own */
		{ TOP,
		  { AE_IFLNK, "data/up", "../..", 0777, NULL },
		  { AE_IFREG, "data/up/outside", NULL, 0644, "x" } },
		{ { AE_IFLNK, "data", "..", 0777, NULL },
		  { AE_IFREG, "data/outside", NULL, 0644, "x" } },
		{ TOP,
		  { AE_IFLNK, "data/a", "..", 0777, NULL },
		  { AE_IFLNK, "data/b", "a/..", 0777, NULL },
		  { AE_IFREG, "data/b/outside", NULL, 0644, "x" } },
		/* another name for a file of ours, then written to */
		{ TOP,
		  { AE_IFREG, "data/h", "../outside", 0644, NULL },
		  { AE_IFREG, "data/h", NULL, 0644, "x" } },
		{ TOP, { AE_IFREG, "data/h", "/etc/hostname", 0644, NULL } },
		{ TOP, { AE_IFREG, "data/h", "data/../../outside", 0644, NULL } },
		{ TOP,
		  { AE_IFLNK, "data/up", "../..", 0777, NULL },
		  { AE_IFREG, "data/h", "data/up/outside", 0644, NULL } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		struct stat st;

		(void)setup(NULL);
		if (take(make_stream(cases[i]), "data", "data", 0, &err) == 0)
			fail_msg("case %zu was taken", i);
		assert_string_not_equal(err.text, "");
		assert_int_equal(stat("../outside", &st), 0);
		assert_int_equal(st.st_nlink, 1);
		assert_int_equal(st.st_mode & 0777, 0644);
		expect_content("../outside", "secret\n");
		assert_int_equal(access("/tmp/mayfly-tree-out", F_OK), -1);
	}
}

/* A link to a directory that is the user's own, inside what the copy goes into, isn't gone through either. */
static void a_link_of_the_users(void **state)
{
	static const struct item items[] = { TOP,
					     { AE_IFREG, "data/up/outside", NULL, 0644, "x" },
					     { 0 } };
	struct err err;

	(void)state;
	assert_int_equal(mkdir("data", 0755), 0);
	assert_int_equal(symlink("../..", "data/up"), 0);
	assert_int_equal(take(make_stream(items), "data", "data", 0, &err), -1);
	expect_content("../outside", "secret\n");
}

static void devices_are_left_out(void **state)
{
	static const struct item items[] = {
		TOP,
		{ AE_IFCHR, "data/null", NULL, 0666, NULL },
		{ AE_IFBLK, "data/disk", NULL, 0666, NULL },
		{ AE_IFIFO, "data/pipe", NULL, 0666, NULL },
		{ AE_IFREG, "data/file", NULL, 0644, "x" },
		{ 0 },
	};
	struct err err;

	(void)state;
	assert_int_equal(take(make_stream(items), "data", "data", 0, &err), 0);
	assert_int_equal(n_told, 3);
	assert_int_equal(access("data/null", F_OK), -1);
	assert_int_equal(access("data/disk", F_OK), -1);
	assert_int_equal(access("data/pipe", F_OK), -1);
	expect_content("data/file", "x");
}

static void the_top_keeps_its_kind(void **state)
{
	static const struct item file[] = { { AE_IFREG, "data", NULL, 0644, "x" }, { 0 } };
	static const struct item dir[] = { TOP, { 0 } };
	struct err err;

	(void)state;
	assert_int_equal(mkdir("mine", 0755), 0);
	assert_int_equal(take(make_stream(file), "mine", "data", 0, &err), -1);
	assert_int_equal(rmdir("mine"), 0);
	assert_int_equal(close(open("mine", O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_equal(take(make_stream(dir), "mine", "data", 0, &err), -1);
	assert_int_equal(take(make_stream(file), "mine", "data", 0, &err), 0);
	expect_content("mine", "x");
}

static void the_contents_of_a_directory(void **state)
{
	static const struct item items[] = { { AE_IFDIR, "./", NULL, 0755, NULL },
					     { AE_IFREG, "./a", NULL, 0644, "x" },
					     { 0 } };
	struct err err;

	(void)state;
	assert_int_equal(take(make_stream(items), ".", ".", 0, &err), 0);
	expect_content("a", "x");
	assert_int_equal(take(make_stream(items), "new", ".", 0, &err), 0);
	expect_content("new/a", "x");
}

static void streams_that_are_none(void **state)
{
	static const struct item items[] = { TOP,
					     { AE_IFREG, "data/f", NULL, 0644, "some text" },
					     { 0 } };
	static char noise[2 << 20];
	struct err err = { 0 };
	int fd = memfd_create("stream", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(take(fd, "data", "data", 0, &err), -1);
	assert_int_equal(err.os_errno, EPIPE); /* empty */
	memset(noise, 'x', sizeof(noise));
	fd = memfd_create("stream", MFD_CLOEXEC);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 0), sizeof(noise));
	assert_int_equal(take(fd, "data", "data", 0, &err), -1);
	fd = make_stream(items); /* cut short, in the middle of a file */
	assert_int_equal(ftruncate(fd, 512 * 3 + 4), 0);
	assert_int_equal(take(fd, "data", "data", 0, &err), -1);
	fd = make_stream(items); /* and on and on */
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	assert_int_equal(fd_write_all(fd, noise, sizeof(noise)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(take(fd, "data", "data", 0, &err), -1);
	assert_int_equal(take(make_stream(items), "data", "data", 8, &err), -1);
	assert_non_null(strstr(err.text, "--limit"));
	assert_int_equal(take(make_stream(items), "data", "data", 9, &err), 0);
}

/* What goes out and comes back is what it was. */
static void there_and_back(void **state)
{
	struct tree tree = { .here = "src", .there = "somewhere", .left_out = note };
	char *zeroes = calloc(1, 1 << 20), byte = 'x';
	struct stat st;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(mkdir("src", 0750), 0);
	fd = open("src/holes", O_CREAT | O_WRONLY, 0604);
	assert_int_equal(pwrite(fd, &byte, 1, 4 << 20), 1);
	assert_int_equal(ftruncate(fd, 16 << 20), 0);
	fd_close(&fd);
	assert_int_equal(link("src/holes", "src/again"), 0);
	assert_int_equal(symlink("gone", "src/\xff\n"), 0);
	assert_int_equal(mkfifo("src/pipe", 0600), 0);
	tree.fd = memfd_create("stream", MFD_CLOEXEC);
	assert_int_equal(tree_send(&tree, &err), 0);
	assert_int_equal(fstat(tree.fd, &st), 0);
	assert_true(st.st_size < 200000); /* no hole is sent */
	assert_int_equal(lseek(tree.fd, 0, SEEK_SET), 0);
	assert_int_equal(take(tree.fd, "back", "somewhere", 0, &err), 0);
	assert_int_equal(n_told, 1); /* the pipe */
	assert_int_equal(stat("back/holes", &st), 0);
	assert_int_equal(st.st_size, 16 << 20);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_int_equal(lstat("back/\xff\n", &st), 0);
	free(zeroes);
}

static void places(void **state)
{
	static const struct {
		const char *path, *dir, *base;
	} cases[] = {
		{ "a", ".", "a" },   { "/etc/a", "/etc", "a" }, { "/etc/a///", "/etc", "a" },
		{ "/a", "/", "a" },  { "/", "/", "." },		{ "", ".", "." },
		{ ".", ".", "." },   { "a/.", "a/.", "." },	{ "a/..", "a/..", "." },
		{ "-a", ".", "-a" }, { "a:b/c", "a:b", "c" },	{ "..", "..", "." },
	};
	static char deep[PLACE_SIZE + 10];
	struct place place;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(place_split(&place, cases[i].path));
		assert_string_equal(place.dir, cases[i].dir);
		assert_string_equal(place.base, cases[i].base);
	}
	memset(deep, 'a', sizeof(deep) - 1);
	assert_false(place_split(&place, deep));
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_honest_tree),	  T(a_hostile_tree),	     T(a_link_of_the_users),
		T(devices_are_left_out),  T(the_top_keeps_its_kind), T(the_contents_of_a_directory),
		T(streams_that_are_none), T(there_and_back),	     T(places),
	};
	char command[64];
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = cmocka_run_group_tests_name("tree", tests, NULL, NULL);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) == 0 ? rc : 1;
}
