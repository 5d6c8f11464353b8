/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/catalogue.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/digest.h"
#include "store/paths.h"

static const struct {
	const char *folder, *suffix, *what, *key;
} kinds[] = {
	[GUESTFILE_KERNEL] = { "kernels", ".vmlinux", "kernel", "paths.kernel" },
	[GUESTFILE_IMAGE] = { "images", ".erofs", "image", "paths.image" },
};

#define N_FOLDERS 2

static const char *configured(const struct config *config, enum guestfile_kind kind)
{
	return kind == GUESTFILE_KERNEL ? config->kernel : config->image;
}

/* The n-th place to look for names; false when it can't be named. */
static bool folder_of(const struct config *config, enum guestfile_kind kind, int n,
		      char out[PATHS_SIZE])
{
	const char *path = configured(config, kind), *slash = strrchr(path, '/');

	if (n == 0)
		return paths_state(&config->host, kinds[kind].folder, out) != NULL;
	return slash != NULL && snprintf(out, PATHS_SIZE, "%.*s/%s", (int)(slash - path), path,
					 kinds[kind].folder) < PATHS_SIZE;
}

static bool is_name(const char *word)
{
	return word[0] != '\0' && word[0] != '.' && strchr(word, '/') == NULL &&
	       strlen(word) < CATALOGUE_NAME_SIZE;
}

static bool find_in(const char *folder, const char *name, const char *suffix,
		    char path[SPEC_PATH_SIZE])
{
	return snprintf(path, SPEC_PATH_SIZE, "%s/%s%s", folder, name, suffix) < SPEC_PATH_SIZE &&
	       access(path, F_OK) == 0;
}

int catalogue_find(const struct config *config, enum guestfile_kind kind, const char *what,
		   const char *word, char path[SPEC_PATH_SIZE], struct err *err)
{
	char folder[PATHS_SIZE];

	if (strcmp(word, "default") == 0) {
		(void)str_copy(path, SPEC_PATH_SIZE, configured(config, kind));
		return 0;
	}
	for (int i = 0; is_name(word) && i < N_FOLDERS; i++) {
		if (folder_of(config, kind, i, folder) &&
		    find_in(folder, word, kinds[kind].suffix, path))
			return 0;
	}
	memset(path, 0, SPEC_PATH_SIZE);
	if (!str_copy(path, SPEC_PATH_SIZE, word))
		return err_set(err, ERR_USAGE, "%s %.80s…: path too long: at most %d bytes", what,
			       word, SPEC_PATH_SIZE - 1);
	if (strchr(word, '/') != NULL || access(word, F_OK) == 0)
		return 0;
	return err_set(err, ERR_USAGE,
		       "%s %.80s: neither the name of %s %s nor a file here; `mayfly %s ls` lists "
		       "the names",
		       what, word, kind == GUESTFILE_IMAGE ? "an" : "a", kinds[kind].what,
		       kinds[kind].what);
}

/* ---- all of them ---- */

struct names {
	char (*list)[CATALOGUE_NAME_SIZE];
	size_t n;
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool holds(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->list[i], name) == 0)
			return true;
	}
	return false;
}

/* A name that an earlier folder has hides this one's. */
static void add_names(struct names *names, const char *folder, const char *suffix)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name), end = strlen(suffix);
		char name[CATALOGUE_NAME_SIZE];

		if (len <= end || len - end >= sizeof(name) ||
		    strcmp(entry->d_name + len - end, suffix) != 0)
			continue;
		memcpy(name, entry->d_name, len - end);
		name[len - end] = '\0';
		if (!is_name(name) || strcmp(name, "default") == 0 || holds(names, name))
			continue;
		names->list = reallocarray(names->list, names->n + 1, sizeof(*names->list));
		BUG_ON(names->list == NULL);
		memcpy(names->list[names->n++], name, sizeof(name));
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static bool visit_name(const struct config *config, enum guestfile_kind kind, const char *name,
		       catalogue_visit_fn *visit, void *arg)
{
	struct catalogue_item item = { .kind = kind };
	char path[SPEC_PATH_SIZE], real[PATH_MAX];
	struct err ignored;

	(void)str_copy(item.name, sizeof(item.name), name);
	if (catalogue_find(config, kind, "", name, path, &ignored) < 0)
		return true;
	if (realpath(path, real) == NULL || !str_copy(item.path, sizeof(item.path), real))
		(void)str_copy(item.path, sizeof(item.path), path);
	return visit(&item, arg);
}

int catalogue_each(const struct config *config, enum guestfile_kind kind, catalogue_visit_fn *visit,
		   void *arg, struct err *err)
{
	struct names names = { NULL, 0 };
	char folder[PATHS_SIZE];
	bool on;

	(void)err;
	for (int i = 0; i < N_FOLDERS; i++) {
		if (folder_of(config, kind, i, folder))
			add_names(&names, folder, kinds[kind].suffix);
	}
	if (names.n > 0)
		qsort(names.list, names.n, sizeof(*names.list), compare);
	on = visit_name(config, kind, "default", visit, arg);
	for (size_t i = 0; on && i < names.n; i++)
		on = visit_name(config, kind, names.list[i], visit, arg);
	free(names.list);
	return 0;
}

/* ---- one of them ---- */

/* init/version.c: "Linux version RELEASE (…". */
static void find_version(int fd, size_t size, char *out, size_t out_size)
{
	static const char mark[] = "Linux version ";
	const char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0), *at = text;

	out[0] = '\0';
	if (text == MAP_FAILED)
		return;
	while (out[0] == '\0' &&
	       (at = memmem(at, size - (size_t)(at - text), mark, sizeof(mark) - 1)) != NULL) {
		size_t left, len = 0;

		at += sizeof(mark) - 1;
		left = size - (size_t)(at - text);
		while (len < left && len < out_size && at[len] > ' ' && at[len] < '\x7f')
			len++;
		/* the format string of the same words has a % there */
		if (len > 0 && len < out_size && at[0] >= '0' && at[0] <= '9') {
			memcpy(out, at, len);
			out[len] = '\0';
		}
	}
	(void)munmap((void *)(uintptr_t)text, size);
}

int catalogue_look(const struct host_config *host, const struct catalogue_item *item,
		   struct catalogue_facts *facts, struct err *err)
{
	uint8_t beside[SPEC_DIGEST_SIZE];
	char real[SPEC_PATH_SIZE];
	auto_fd fd = guestfile_open(item->kind, item->name, item->path, real, err);
	struct stat st;
	int rc;

	memset(facts, 0, sizeof(*facts));
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s", item->path);
	facts->size = (uint64_t)st.st_size;
	facts->made_s = st.st_mtim.tv_sec;
	if (digest_of(host, fd, item->path, facts->digest, err) < 0)
		return -1;
	rc = digest_beside(item->path, beside, err);
	if (rc < 0)
		return -1;
	facts->check = rc == 0						    ? CATALOGUE_UNVOUCHED
		       : memcmp(beside, facts->digest, sizeof(beside)) == 0 ? CATALOGUE_AS_MADE
									    : CATALOGUE_DAMAGED;
	if (item->kind == GUESTFILE_KERNEL)
		find_version(fd, facts->size, facts->version, sizeof(facts->version));
	return 0;
}

const char *catalogue_check_word(enum catalogue_check check)
{
	static const char *const words[] = {
		[CATALOGUE_AS_MADE] = "as made",
		[CATALOGUE_UNVOUCHED] = "no digest",
		[CATALOGUE_DAMAGED] = "damaged",
	};

	return words[check];
}
