/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/digest.h"

#include <bearssl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "store/deadline.h"
#include "store/paths.h"

#define CACHE_MAGIC   0x4d464447u /* "MFDG" */
#define CACHE_VERSION 1u
#define CACHE_SLOTS   32
#define CACHE_FILE    "digests"
#define RACY_S	      2
#define READINGS      3
#define CHUNK	      ((size_t)256 * 1024)

/* All that tells a file's content from another's without reading it. */
struct identity {
	uint64_t device, inode, size;
	int64_t changed_s, changed_ns, modified_s, modified_ns;
};

struct remembered {
	struct identity identity;
	uint8_t digest[SPEC_DIGEST_SIZE];
};

struct cache {
	uint32_t magic, version;
	uint32_t next; /* slot that is written next */
	uint32_t reserved;
	char boot_id[40];
	struct remembered slots[CACHE_SLOTS];
};

static int identify(int fd, const char *path, struct identity *identity, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "can't look at %s", path);
	*identity = (struct identity){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed_s = st.st_ctim.tv_sec,
		.changed_ns = st.st_ctim.tv_nsec,
		.modified_s = st.st_mtim.tv_sec,
		.modified_ns = st.st_mtim.tv_nsec,
	};
	return 0;
}

static bool same(const struct identity *a, const struct identity *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- what is remembered ---- */

/* Only what root (or whoever runs this) alone can have written, in this boot. An unfit cache is an empty one. */
static void load(const struct host_config *host, const struct deadline_now *now,
		 struct cache *cache)
{
	char path[PATHS_SIZE];
	auto_fd fd = open(paths_run_dir(host, CACHE_FILE, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & 077) == 0 && st.st_size == (off_t)sizeof(*cache) &&
	    fd_read_all(fd, cache, sizeof(*cache)) == 0 && cache->magic == CACHE_MAGIC &&
	    cache->version == CACHE_VERSION && cache->next < CACHE_SLOTS &&
	    strncmp(cache->boot_id, now->boot_id, sizeof(cache->boot_id)) == 0)
		return;
	*cache = (struct cache){ .magic = CACHE_MAGIC, .version = CACHE_VERSION };
	(void)snprintf(cache->boot_id, sizeof(cache->boot_id), "%s", now->boot_id);
}

static const struct remembered *recall(const struct cache *cache, const struct identity *identity)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		if (same(&cache->slots[i].identity, identity) &&
		    digest_is_known(cache->slots[i].digest))
			return &cache->slots[i];
	}
	return NULL;
}

/* Best effort: what can't be remembered is read again. Two at once may lose one's entry, nothing else. */
static void store(const struct host_config *host, struct cache *cache,
		  const struct identity *identity, const uint8_t digest[SPEC_DIGEST_SIZE])
{
	struct remembered *slot = &cache->slots[cache->next];
	auto_fd dir = open(host->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err ignored;

	slot->identity = *identity;
	memcpy(slot->digest, digest, SPEC_DIGEST_SIZE);
	cache->next = (cache->next + 1) % CACHE_SLOTS;
	if (dir >= 0)
		(void)fd_replace_shared(dir, CACHE_FILE, 0600, cache, sizeof(*cache), &ignored);
}

/* Change times have the grain of the kernel's tick, and a write after our reading might fall into the same one. */
static bool is_settled(const struct identity *identity)
{
	struct timespec now;

	BUG_ON(clock_gettime(CLOCK_REALTIME, &now) < 0);
	return identity->changed_s + RACY_S < now.tv_sec;
}

/* ---- reading ---- */

static int hash(int fd, const char *path, uint8_t digest[SPEC_DIGEST_SIZE], struct err *err)
{
	uint8_t *chunk = malloc(CHUNK);
	br_sha256_context sha256;
	off_t at = 0;
	ssize_t n;

	BUG_ON(chunk == NULL);
	br_sha256_init(&sha256);
	while ((n = pread(fd, chunk, CHUNK, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		br_sha256_update(&sha256, chunk, (size_t)n);
		at += n;
	}
	free(chunk);
	if (n < 0)
		return err_sys(err, "can't read %s", path);
	br_sha256_out(&sha256, digest);
	return 0;
}

/*
 * Read until the file is the same behind a reading as before it; *found is what it was when this was called, and then what was
 * read. settled: may it be remembered? A new name (a hard link) changes an identity too, so the first change is no error yet.
 */
static int hash_unchanged(int fd, const char *path, struct identity *found, bool *settled,
			  uint8_t digest[SPEC_DIGEST_SIZE], struct err *err)
{
	struct identity after = { 0 };

	for (int i = 0; i < READINGS; i++) {
		*settled = is_settled(found);
		if (hash(fd, path, digest, err) < 0 || identify(fd, path, &after, err) < 0)
			return -1;
		if (same(found, &after))
			return 0;
		*found = after;
	}
	return err_set(err, ERR_FAILED, "%s changes while it is read: try again", path);
}

int digest_of(const struct host_config *host, int fd, const char *path,
	      uint8_t digest[SPEC_DIGEST_SIZE], struct err *err)
{
	static struct cache cache;
	const struct remembered *known;
	struct identity found = { 0 };
	struct deadline_now now;
	bool settled;

	static_assert(br_sha256_SIZE == SPEC_DIGEST_SIZE, "SHA-256");
	if (deadline_now(&now, err) < 0 || identify(fd, path, &found, err) < 0)
		return -1;
	load(host, &now, &cache);
	known = recall(&cache, &found);
	if (known != NULL) {
		memcpy(digest, known->digest, SPEC_DIGEST_SIZE);
		return 0;
	}
	if (hash_unchanged(fd, path, &found, &settled, digest, err) < 0)
		return -1;
	if (settled)
		store(host, &cache, &found, digest);
	return 0;
}

/* ---- what is said beside a file ---- */

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(const char *text, uint8_t digest[SPEC_DIGEST_SIZE])
{
	uint8_t read[SPEC_DIGEST_SIZE];

	for (size_t i = 0; i < SPEC_DIGEST_SIZE; i++) {
		int high = nibble(text[2 * i]), low = high < 0 ? -1 : nibble(text[2 * i + 1]);

		if (low < 0)
			return false;
		read[i] = (uint8_t)(high << 4 | low);
	}
	if (strchr(" \n", text[(size_t)2 * SPEC_DIGEST_SIZE]) == NULL)
		return false;
	memcpy(digest, read, SPEC_DIGEST_SIZE);
	return true;
}

int digest_beside(const char *path, uint8_t digest[SPEC_DIGEST_SIZE], struct err *err)
{
	char beside[SPEC_PATH_SIZE + 8], text[1024];
	ssize_t n;

	(void)snprintf(beside, sizeof(beside), "%.255s.sha256", path);
	n = fd_read_file(AT_FDCWD, beside, text, sizeof(text) - 1, err);
	if (n < 0)
		return err->os_errno == ENOENT ? 0 : -1;
	text[n] = '\0';
	if (!digest_parse(text, digest))
		return err_set(err, ERR_FAILED,
			       "%s: not a digest: write it with `sha256sum %s >%s`", beside, path,
			       beside);
	return 1;
}

const char *digest_text(const uint8_t digest[SPEC_DIGEST_SIZE], char out[DIGEST_TEXT_SIZE])
{
	for (size_t i = 0; i < SPEC_DIGEST_SIZE; i++)
		(void)snprintf(&out[2 * i], 3, "%02x", digest[i]);
	return out;
}

bool digest_is_known(const uint8_t digest[SPEC_DIGEST_SIZE])
{
	static const uint8_t unknown[SPEC_DIGEST_SIZE];

	return memcmp(digest, unknown, SPEC_DIGEST_SIZE) != 0;
}
