/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The decision is pure and needs four things: the date, the life granted, how much of it has elapsed (this boot's part
 * counted from boot_start_s, older boots' summed in elapsed_s), and the host's high-water mark of real time.
 *
 * Whole seconds, rounded so that the elapsed bound never fires early: a grant starts at the next full second.
 */
#include "store/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/paths.h"

#define DEADLINE_MAGIC	 0x4d46444cu
#define DEADLINE_VERSION 1u
#define CLOCK_MAGIC	 0x4d46434bu
#define CLOCK_VERSION	 1u
/* The mark was ahead of the clock when the life was granted: it says nothing about this record. */
#define CLOCK_BEHIND_S	   60
#define CLOCK_WRITE_S	   60
#define DEADLINE_OVERDUE_S 90
/* Later than any date: a record that says so is damaged. Sums of two such times are far from overflow. */
#define DEADLINE_NEVER_S (1ll << 40)

static bool deadline_is_time(int64_t time_s)
{
	return time_s >= 0 && time_s < DEADLINE_NEVER_S;
}

int deadline_now(struct deadline_now *now, struct err *err)
{
	struct timex sync = { 0 }; /* only asks */
	struct timespec real, boot;
	ssize_t n;

	if (clock_gettime(CLOCK_REALTIME, &real) < 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
		return err_sys(err, "can't read the clocks");
	memset(now, 0, sizeof(*now));
	now->real_s = real.tv_sec;
	now->boot_s = (uint64_t)boot.tv_sec;
	now->synced = adjtimex(&sync) >= 0 && !(sync.status & STA_UNSYNC);
	n = fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", now->boot_id,
			 sizeof(now->boot_id) - 1, err);
	if (n < 0)
		return -1;
	now->boot_id[strcspn(now->boot_id, "\n")] = '\0';
	return 0;
}

static void deadline_believe(struct clock_record *clock, const struct deadline_now *now)
{
	if (now->real_s > clock->high_s)
		clock->high_s = now->real_s;
	clock->mark_real_s = now->real_s;
	clock->mark_boot_s = now->boot_s;
	clock->jump_boot_s = 0;
	memcpy(clock->boot_id, now->boot_id, sizeof(clock->boot_id));
}

void deadline_observe(struct clock_record *clock, const struct deadline_now *now)
{
	bool fresh = clock->magic != CLOCK_MAGIC || clock->version != CLOCK_VERSION;
	int64_t due;

	if (fresh)
		*clock = (struct clock_record){ .magic = CLOCK_MAGIC, .version = CLOCK_VERSION };
	else if (strncmp(clock->boot_id, now->boot_id, sizeof(clock->boot_id)) != 0 ||
		 now->boot_s < clock->mark_boot_s) {
		/* at least so much time has gone by since the mark as this boot has lasted */
		clock->mark_boot_s = 0;
		clock->jump_boot_s = 0;
		memcpy(clock->boot_id, now->boot_id, sizeof(clock->boot_id));
	}
	due = clock->mark_real_s + (int64_t)(now->boot_s - clock->mark_boot_s);
	if (fresh || now->real_s <= due + DEADLINE_JUMP_S ||
	    (clock->mark_boot_s == 0 && now->synced)) {
		deadline_believe(clock, now);
		return;
	}
	if (clock->jump_boot_s == 0)
		clock->jump_boot_s = now->boot_s > 0 ? now->boot_s : 1;
	else if (now->boot_s - clock->jump_boot_s >= DEADLINE_CONFIRM_S)
		deadline_believe(clock, now);
}

void deadline_grant(struct deadline_record *rec, const struct clock_record *clock,
		    const struct deadline_now *now, int64_t deadline_s)
{
	rec->magic = DEADLINE_MAGIC;
	rec->version = DEADLINE_VERSION;
	rec->deadline_s = deadline_s;
	rec->granted_at_s = now->real_s;
	rec->granted_s = deadline_s > now->real_s ? (uint64_t)(deadline_s - now->real_s) : 0;
	rec->elapsed_s = 0;
	rec->boot_start_s = now->boot_s + 1;
	memcpy(rec->boot_id, now->boot_id, sizeof(rec->boot_id));
	rec->flags = clock->high_s > now->real_s + CLOCK_BEHIND_S ? DEADLINE_MARK_AHEAD : 0;
}

void deadline_recall(struct deadline_record *rec, int64_t deadline_s)
{
	*rec = (struct deadline_record){
		.magic = DEADLINE_MAGIC,
		.version = DEADLINE_VERSION,
		.deadline_s = deadline_s,
		.granted_s = UINT64_MAX,
	};
}

static uint64_t deadline_elapsed(const struct deadline_record *rec, const struct deadline_now *now)
{
	uint64_t since = rec->boot_start_s;

	if (strncmp(rec->boot_id, now->boot_id, sizeof(rec->boot_id)) != 0)
		since = 0; /* all of this boot came after the record */
	return rec->elapsed_s + (now->boot_s > since ? now->boot_s - since : 0);
}

void deadline_account(struct deadline_record *rec, const struct deadline_now *now)
{
	bool same = strncmp(rec->boot_id, now->boot_id, sizeof(rec->boot_id)) == 0;

	if (same && now->boot_s <= rec->boot_start_s)
		return;
	rec->elapsed_s = deadline_elapsed(rec, now);
	rec->boot_start_s = now->boot_s;
	memcpy(rec->boot_id, now->boot_id, sizeof(rec->boot_id));
}

struct deadline_verdict deadline_check(const struct deadline_record *rec,
				       const struct clock_record *clock,
				       const struct deadline_now *now)
{
	uint64_t elapsed = deadline_elapsed(rec, now);
	bool mark_counts = !(rec->flags & DEADLINE_MARK_AHEAD);
	int64_t real = now->real_s, believed;
	struct deadline_verdict v = { 0 };

	if (mark_counts && clock->high_s > real)
		real = clock->high_s;
	believed = clock->jump_boot_s == 0 ? real : mark_counts ? clock->high_s : 0;
	v.elapsed_left_s = elapsed < rec->granted_s ? rec->granted_s - elapsed : 0;
	v.left_s = real < rec->deadline_s ? (uint64_t)(rec->deadline_s - real) : 0;
	if (v.elapsed_left_s < v.left_s)
		v.left_s = v.elapsed_left_s;
	v.expired = v.left_s == 0;
	v.confirmed = v.expired && (v.elapsed_left_s == 0 || believed >= rec->deadline_s);
	if (elapsed > rec->granted_s)
		v.over_s = elapsed - rec->granted_s;
	if (believed > rec->deadline_s && (uint64_t)(believed - rec->deadline_s) > v.over_s)
		v.over_s = (uint64_t)(believed - rec->deadline_s);
	return v;
}

bool deadline_is_due(const struct deadline_verdict *verdict, uint64_t grace_s)
{
	return verdict->confirmed && verdict->over_s >= grace_s;
}

bool deadline_is_overdue(const struct deadline_verdict *verdict, uint64_t stop_timeout_s)
{
	return deadline_is_due(verdict, DEADLINE_OVERDUE_S + stop_timeout_s);
}

int deadline_read(const struct host_config *host, const char *id, struct deadline_record *rec,
		  struct err *err)
{
	char path[PATHS_SIZE];
	ssize_t n;

	n = fd_read_file(AT_FDCWD, paths_sandbox(host, id, "deadline", path), rec, sizeof(*rec),
			 err);
	if (n < 0 && err->os_errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no %s", path);
	if (n < 0)
		return -1;
	if ((size_t)n != sizeof(*rec) || rec->magic != DEADLINE_MAGIC ||
	    rec->version != DEADLINE_VERSION || !deadline_is_time(rec->deadline_s))
		return err_set(err, ERR_FAILED, "%s is damaged", path);
	rec->boot_id[sizeof(rec->boot_id) - 1] = '\0';
	return 0;
}

int deadline_write(const struct host_config *host, const char *id,
		   const struct deadline_record *rec, struct err *err)
{
	char dir[PATHS_SIZE];
	auto_fd dirfd =
		open(paths_sandbox(host, id, NULL, dir), O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(err, "can't open %s", dir);
	return fd_replace_file(dirfd, "deadline", 0600, rec, sizeof(*rec), err);
}

int deadline_clock(const struct host_config *host, const struct deadline_now *now, bool read_only,
		   struct clock_record *clock, struct err *err)
{
	auto_fd dirfd = open(host->state_dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	/* without the mark, the real clock alone confirms nothing */
	const struct clock_record unread = { .jump_boot_s = 1 };
	struct clock_record before;
	ssize_t n = -1;

	*clock = unread;
	if (dirfd < 0)
		return err_sys(err, "can't open %s", host->state_dir);
	n = fd_read_file(dirfd, "clock", clock, sizeof(*clock), err);
	if (n < 0 && fd_is_unread(err)) { /* what is there may be good: nothing is put over it */
		*clock = unread;
		return err_wrap(err, "%s", host->state_dir);
	}
	if (n != (ssize_t)sizeof(*clock) || !deadline_is_time(clock->high_s) ||
	    !deadline_is_time(clock->mark_real_s))
		memset(clock, 0, sizeof(*clock));
	clock->boot_id[sizeof(clock->boot_id) - 1] = '\0';
	before = *clock;
	deadline_observe(clock, now);
	if (read_only || (clock->mark_boot_s - before.mark_boot_s < CLOCK_WRITE_S &&
			  clock->jump_boot_s == before.jump_boot_s &&
			  clock->mark_real_s - before.mark_real_s < CLOCK_WRITE_S &&
			  clock->mark_real_s >= before.mark_real_s &&
			  memcmp(clock->boot_id, before.boot_id, sizeof(before.boot_id)) == 0))
		return 0;
	/* when a clock is set all keepers look at it in the same instant, and nobody waits for a lock */
	return fd_replace_shared(dirfd, "clock", 0644, clock, sizeof(*clock), err);
}
