/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * RUN_DIR/KIND.look holds the latest shared look: its number, and a bit for each slot. Who looks holds the file's lock.
 *
 * What makes another's look good enough: numbers are given under the lock, and made visible *before* the look begins
 * (`begun`). Who needs a look reads `begun` first; any finished look with a larger number began after that. No clock is
 * asked: keepers may live in different time namespaces. It must have been of the same slots, and of the same network
 * namespace or mount of /proc (`view`). Whatever is odd about the file, a number from the future or a failed read, makes the
 * record none: an "absent" that isn't true would stand in a receipt.
 *
 * Who finds the lock free looks at its own flows alone: the kernel's filter saves a busy neighbour's from being listed. Who
 * had to wait is in a crowd, and looks for all. A holder that is killed lets go of the lock; one that stands still is waited for
 * LOOK_PATIENCE_MS, then everybody looks for himself, which is slower and as good.
 */
#include "keeper/look.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "jail/proc.h"
#include "keeper/conntrack.h"
#include "store/paths.h"

#define LOOK_SLOTS	 4096 /* a host with more looks without sharing */
#define LOOK_PATIENCE_MS 1000
#define LOOK_PAUSE_MS	 4

struct look_record {
	uint64_t begun;
	uint64_t done;	      /* 0: none, or being written */
	uint64_t view;	      /* what was looked at */
	uint32_t base, count; /* what bit 0 is, and how many there are */
	uint8_t bits[LOOK_SLOTS / 8];
};

struct look_try {
	const struct host_config *host;
	enum look_kind kind;
	uint32_t base, own;
	uint64_t view;
	uint64_t before; /* the look that had begun when this one was asked for */
	int fd;
};

const char *look_file(enum look_kind kind)
{
	static const char *const names[LOOK_KINDS] = {
		[LOOK_FLOWS] = "flows.look",
		[LOOK_UIDS] = "uids.look",
	};

	return names[kind];
}

/* ---- looking ---- */

static int look_alone(const struct look_try *t, struct err *err)
{
	int count;
	pid_t pid;

	if (t->kind == LOOK_UIDS)
		return proc_uid_in_use(t->own, &pid, err);
	count = conntrack_count(t->own, err);
	return count < 0 ? -1 : count > 0;
}

static void look_note(struct look_record *record, uint32_t own)
{
	if (own >= record->base && own - record->base < record->count)
		record->bits[(own - record->base) / 8] |= (uint8_t)(1u << (own - record->base) % 8);
}

static void look_note_flow(uint32_t mark, void *arg)
{
	look_note(arg, mark);
}

static bool look_note_process(pid_t pid, uint32_t uid, void *arg)
{
	(void)pid;
	look_note(arg, uid);
	return true;
}

static int look_at_all(const struct look_try *t, struct look_record *record, struct err *err)
{
	memset(record->bits, 0, sizeof(record->bits));
	if (t->kind == LOOK_UIDS)
		return proc_each_of_uids(record->base, record->count, look_note_process, record,
					 err);
	return conntrack_each(record->base, t->host->mark_mask, look_note_flow, record, err);
}

/* ---- the record ---- */

static bool look_get(const struct look_try *t, size_t at, void *data, size_t len)
{
	return pread(t->fd, data, len, (off_t)at) == (ssize_t)len;
}

static bool look_read(const struct look_try *t, struct look_record *record)
{
	const size_t at = offsetof(struct look_record, done);
	uint64_t before, after;

	/* whole when `done` was read, and not written over until all was */
	return look_get(t, at, &before, sizeof(before)) &&
	       look_get(t, 0, record, sizeof(*record)) && look_get(t, at, &after, sizeof(after)) &&
	       before == record->done && after == record->done;
}

/* The latest number that was given; 0: none yet. false: it can't be told. */
static bool look_begun(const struct look_try *t, uint64_t *begun)
{
	ssize_t n = pread(t->fd, begun, sizeof(*begun), offsetof(struct look_record, begun));

	if (n == 0) /* a new file */
		*begun = 0;
	return n == 0 || n == (ssize_t)sizeof(*begun);
}

/* Which connection table, or which processes, this process sees. */
static bool look_view(struct look_try *t)
{
	struct stat st;

	if (stat(t->kind == LOOK_UIDS ? "/proc" : "/proc/self/ns/net", &st) < 0)
		return false;
	t->view = t->kind == LOOK_UIDS ? st.st_dev : st.st_ino;
	return true;
}

/* 1 or 0 by a finished look of another's; -1: there is none that is new enough. */
static int look_taken(const struct look_try *t)
{
	struct look_record r;
	uint32_t bit;

	if (!look_read(t, &r) || r.done <= t->before || r.done > r.begun || r.view != t->view ||
	    r.base != t->base || r.count != t->host->slot_count || r.count > LOOK_SLOTS)
		return -1;
	bit = t->own - t->base;
	return r.bits[bit / 8] >> bit % 8 & 1;
}

static bool look_put(const struct look_try *t, size_t at, const void *data, size_t len)
{
	return pwrite(t->fd, data, len, (off_t)at) == (ssize_t)len;
}

/* Under the lock. */
static int look_for_all(const struct look_try *t, struct err *err)
{
	struct look_record record = { 0 };
	const size_t at = offsetof(struct look_record, view);
	uint64_t none = 0;
	uint32_t bit = t->own - t->base;

	if (!look_begun(t, &record.begun))
		return look_alone(t, err);
	record.begun++;
	record.done = record.begun;
	record.view = t->view;
	record.base = t->base;
	record.count = t->host->slot_count;
	if (!look_put(t, offsetof(struct look_record, begun), &record.begun, sizeof(record.begun)))
		return look_alone(t, err);
	if (look_at_all(t, &record, err) < 0)
		return -1;
	/* until it is whole, it is none */
	if (look_put(t, offsetof(struct look_record, done), &none, sizeof(none)) &&
	    look_put(t, at, (const char *)&record + at, sizeof(record) - at))
		(void)look_put(t, offsetof(struct look_record, done), &record.done,
			       sizeof(record.done));
	return record.bits[bit / 8] >> bit % 8 & 1;
}

/* ---- the wait ---- */

static bool look_lock(const struct look_try *t)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(t->fd, F_OFD_SETLK, &whole) == 0;
}

static int look_shared(const struct look_try *t, struct err *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_PAUSE_MS * 1000000L };

	for (int waited_ms = 0; waited_ms < LOOK_PATIENCE_MS; waited_ms += LOOK_PAUSE_MS) {
		int taken = look_taken(t);

		if (taken >= 0)
			return taken;
		if (look_lock(t)) {
			taken = look_taken(t); /* just finished */
			if (taken >= 0)
				return taken;
			return waited_ms == 0 && t->kind == LOOK_FLOWS ? look_alone(t, err)
								       : look_for_all(t, err);
		}
		(void)nanosleep(&pause, NULL);
	}
	return look_alone(t, err);
}

int look(const struct host_config *host, enum look_kind kind, uint32_t own, struct err *err)
{
	struct look_try t = { .host = host, .kind = kind, .own = own };
	char path[PATHS_SIZE];
	auto_fd fd = -1;

	BUG_ON(kind >= LOOK_KINDS);
	t.base = kind == LOOK_UIDS ? host->uid_base : host->mark_base;
	if (own >= t.base && own - t.base < host->slot_count && host->slot_count <= LOOK_SLOTS)
		fd = open(paths_run_dir(host, look_file(kind), path),
			  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	t.fd = fd;
	if (fd < 0 || !look_view(&t) || !look_begun(&t, &t.before))
		return look_alone(&t, err);
	return look_shared(&t, err);
}
