/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/reap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "keeper/crew.h"
#include "keeper/inject.h"
#include "keeper/notice.h"
#include "keeper/progress.h"
#include "keeper/reap_decide.h"
#include "keeper/reap_kill.h"
#include "keeper/reap_left.h"
#include "keeper/reap_spool.h"
#include "keeper/reap_told.h"
#include "keeper/teardown.h"
#include "store/deadline.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/status.h"

#define REAP_AGAIN_MS 20

struct reap {
	const struct host_config *host;
	const struct sink *sink;
	bool dry_run;
	bool by_slot; /* looking at an id of which a name or a slot's file may be all that is left */
	struct deadline_now now;
	struct clock_record clock;
	struct store_entry entry; /* of the one looked at; large */
	uint64_t grace_s;	  /* how long what it has is kept after its date */
	int state_fd, run_fd;	  /* its directories then; -1: not there */
	int lock_fd;		  /* reap.lock */
	struct crew crew;	  /* who do what was decided; theirs is what they say */
};

/* What was decided about the one looked at. */
struct reap_job {
	struct reap *r;
	const char *id;
	enum reap_act act;
	uint32_t reason;
};

/* ---- looking ---- */

/* *fd is -1 where there is none, or something else. 0, or -1 with err. */
static int reap_hold(const char *dir, int *fd, struct err *err)
{
	*fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP
		       ? err_sys(err, "can't open %s", dir)
		       : 0;
}

static void reap_release(struct reap *r)
{
	fd_close(&r->state_fd);
	fd_close(&r->run_fd);
}

/* What can't be read is in entry.unread; where that is nothing the facts are whole. */
static void reap_load(struct reap *r, const char *id, struct reap_told *told)
{
	struct err err;
	int rc = entry_load(r->host, id, &r->entry, &err);

	if (rc < 0) {
		memset(&r->entry, 0, sizeof(r->entry));
		if (err.code != ERR_NOT_FOUND)
			r->entry.unread = err;
	}
	rc = reap_told_read(r->host, id, told, &err);
	if (rc < 0 && fd_is_unread(&err) && r->entry.unread.code == ERR_NONE)
		r->entry.unread = err;
}

/* 0, or -1 with err where not even its directories can be held: it is left for the next minute. */
static int reap_look(struct reap *r, const char *id, struct reap_facts *f, struct err *err)
{
	const struct store_entry *e = &r->entry;
	struct reap_told told = { 0 };
	char path[PATHS_SIZE];
	struct err ignored;

	*f = (struct reap_facts){ 0 };
	reap_release(r);
	if (reap_hold(paths_sandbox(r->host, id, NULL, path), &r->state_fd, err) < 0 ||
	    reap_hold(paths_run(r->host, id, NULL, path), &r->run_fd, err) < 0) {
		memset(&r->entry, 0, sizeof(r->entry)); /* not the last one's name */
		return -1;
	}
	reap_load(r, id, &told);
	f->held = lock_is_held(paths_run(r->host, id, "lock", path));
	f->other_boot = e->has_status && strcmp(e->status.boot_id, r->now.boot_id) != 0;
	f->has_spec = e->has_spec;
	f->unread = !e->has_spec &&
		    paths_is_there(paths_sandbox(r->host, id, "spec", path), &ignored) != 0;
	f->durable = e->has_spec && (e->spec.flags & SPEC_DURABLE);
	f->has_disk = e->has_spec && e->spec.disk_bytes > 0;
	r->grace_s = f->durable && f->has_disk ? e->spec.grace_s : 0;
	f->left = e->residue[0] != '\0';
	f->half = e->unread.code != ERR_NONE;
	if (f->unread) {
		f->durable = f->has_disk = told.durable;
		r->grace_s = told.grace_s;
	}
	f->ran = told.ran;
	f->end = e->has_end ? e->end.reason : told.end; /* a full disk has no room for the record */
	f->ran |= f->end != 0 && f->end != END_CREATE_FAILED; /* also when the journal is lost */
	/* one that ran has a status until it has an end; else it's the directory of a lock that a reap took */
	f->here = r->by_slot || (r->run_fd >= 0 && (e->has_status || f->end || !f->ran));
	if (e->has_deadline) {
		struct deadline_verdict v = deadline_check(&e->deadline, &r->clock, &r->now);

		f->expired = v.expired;
		f->due = deadline_is_due(&v, r->grace_s);
		f->grace = v.confirmed && !f->due;
		/* overdue: it had come that long ago already, by either clock; a fresh jump is the keeper's to judge */
		f->overdue = deadline_is_overdue(&v, e->has_spec ? e->spec.host.stop_timeout_s : 0);
	}
	return 0;
}

/* ---- doing ---- */

static void reap_say(struct reap *r, const char *id, uint32_t code, const char *text)
{
	struct ctl_record record = progress_record(id, r->entry.has_spec ? r->entry.spec.name : "",
						   CTL_ITEM, code, text);

	if (r->sink && r->sink->put)
		r->sink->put(r->sink->arg, &record);
}

static void reap_failed(struct reap *r, const char *id, const struct err *err)
{
	reap_say(r, id, (uint32_t)err->code, err->text);
}

static int reap_kill_keeper(const struct reap *r, struct err *err)
{
	if (r->entry.unread.code != ERR_NONE && !r->entry.has_status) {
		*err = r->entry.unread;
		return err_wrap(err, "which keeper it has can't be told");
	}
	return reap_kill(&r->entry.status, err);
}

/* A directory that was removed has no links left. 1, 0, or -1 with err. */
static int reap_is_removed(int dirfd, struct err *err)
{
	struct stat st = { .st_nlink = 1 };

	if (dirfd >= 0 && fstat(dirfd, &st) < 0)
		return err_sys(err, "can't look whether it is still there");
	return st.st_nlink == 0;
}

/* Since the look it has been ended, or another one has been made. 1, 0, or -1 with err. */
static int reap_has_changed(const struct reap *r, const char *id, struct err *err)
{
	char path[PATHS_SIZE];
	int changed = reap_is_removed(r->state_fd, err);

	if (changed == 0)
		changed = reap_is_removed(r->run_fd, err);
	if (changed == 0 && r->state_fd < 0)
		changed = paths_is_there(paths_sandbox(r->host, id, NULL, path), err);
	return changed;
}

/*
 * Its lock, if it is still what was looked at: under claim.lock, so that a directory that has gone isn't made again under
 * the eyes of who removed it. -1 with err: os_errno EAGAIN when it is somebody else's.
 */
static int reap_claim(const struct reap *r, const char *id, struct err *err)
{
	char path[PATHS_SIZE];
	auto_fd claim = lock_claims(r->host, err);
	int changed = claim < 0 ? -1 : reap_has_changed(r, id, err);

	if (changed < 0)
		return -1;
	if (changed) {
		errno = EAGAIN;
		return err_sys(err, "it has ended, or begun");
	}
	if (paths_make_dir(paths_run(r->host, id, NULL, path), 0750, err) < 0)
		return -1;
	return lock_take(paths_run(r->host, id, "lock", path), LOCK_TRY, err);
}

/*
 * Under the lock: since the look somebody gave it another date, or it can be read now and could not be then: 1, else 0; -1 with
 * err when that can't be told. One that could not be read then either holds up no end: nobody renews what can't be read.
 */
static int reap_was_renewed(const struct reap *r, const char *id, struct err *err)
{
	const struct store_entry *e = &r->entry;
	struct deadline_record fresh;

	if (!e->has_deadline && !e->unread_deadline)
		return 0;
	if (deadline_read(r->host, id, &fresh, err) < 0)
		return fd_is_unread(err) && !e->unread_deadline ? -1 : 0;
	return e->unread_deadline || fresh.deadline_s != e->deadline.deadline_s ||
	       fresh.renewals != e->deadline.renewals;
}

enum reap_done { REAP_DONE, REAP_NOT_OURS };

/* REAP_DONE, REAP_NOT_OURS (somebody holds its lock, or it is another than was looked at), or -1 with err. */
static int reap_teardown(struct reap *r, const char *id, enum teardown_depth depth, uint32_t reason,
			 struct err *err)
{
	struct teardown t = {
		.host = r->entry.has_spec ? &r->entry.spec.host : r->host,
		.depth = depth,
		.reason = reason,
		.journal_fd = -1,
	};
	auto_fd lock = reap_claim(r, id, err);
	int renewed;

	if (lock < 0)
		return err->os_errno == EAGAIN ? REAP_NOT_OURS : -1;
	renewed = reap_was_renewed(r, id, err);
	if (renewed) {
		lock_unclaim(r->host, id, &lock);
		return renewed < 0 ? -1 : REAP_NOT_OURS;
	}
	if (r->grace_s > 0)
		t.grace_until_s = r->entry.deadline.deadline_s + (int64_t)r->grace_s;
	memcpy(t.id, id, ID_SIZE);
	return teardown_run(&t, err) < 0 ? -1 : REAP_DONE;
}

/* Its date comes near while nothing of it runs. */
static void reap_notice(const struct reap *r)
{
	struct deadline_verdict v = deadline_check(&r->entry.deadline, &r->clock, &r->now);

	if (r->entry.has_spec && !v.expired)
		notice_rest(&r->entry.spec, &r->entry.deadline, v.left_s);
}

/* Nothing runs, its date has not come: book what has elapsed, and say how the last run ended if nobody could. */
static int reap_book(struct reap *r, const char *id, uint32_t end, struct err *err)
{
	auto_fd lock = reap_claim(r, id, err);
	int rc;

	if (lock < 0)
		return err->os_errno == EAGAIN ? 0 : -1; /* somebody starts it */
	rc = reap_was_renewed(r, id, err);
	if (rc) {
		lock_unclaim(r->host, id, &lock);
		return rc < 0 ? -1 : 0;
	}
	if (!r->entry.has_end)
		rc = status_write_end(r->host, id, end ? end : END_HOST_REBOOT, "", err);
	if (rc == 0 && r->entry.has_deadline) {
		deadline_account(&r->entry.deadline, &r->now);
		rc = deadline_write(r->host, id, &r->entry.deadline, err);
		reap_notice(r);
	}
	lock_unclaim(r->host, id, &lock);
	return rc;
}

/* Neither what it is nor when it ends can be read: somebody has to decide. */
static const struct err *reap_unread(const char *id, struct err *err)
{
	(void)err_set(err, ERR_FAILED, "it can't be read; to end it: mayfly destroy %s", id);
	return err;
}

static const struct {
	const char *words;
	enum teardown_depth depth;
	bool kill; /* its keeper first */
} reap_acts[] = {
	[REAP_STOP] = { "stopped, kept until its date", TEARDOWN_STOP, false },
	[REAP_GRACE] = { "stopped, its disk kept", TEARDOWN_GRACE, false },
	[REAP_ALL] = { "removed", TEARDOWN_ALL, false },
	[REAP_KILL_THEN_GRACE] = { "stopped, its keeper killed, its disk kept", TEARDOWN_GRACE,
				   true },
	[REAP_KILL_THEN_ALL] = { "removed, its keeper killed", TEARDOWN_ALL, true },
};

static void reap_tell(struct reap *r, const struct reap_job *job)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%s: %s%s", status_reason_word(job->reason),
		       r->dry_run ? "would be " : "", reap_acts[job->act].words);
	reap_say(r, job->id, 0, text);
}

/* In a process of its own, which has this one's look with it. */
static void reap_work(void *arg, const struct sink *sink)
{
	const struct reap_job *job = arg;
	struct reap *r = job->r;
	struct err err = { 0 };
	int rc = REAP_DONE;

	r->sink = sink;
	if (crew_is_member(&r->crew))
		fd_close(&r->lock_fd); /* the reap's; one that hangs must not hold up the next */
	if (reap_acts[job->act].kill)
		rc = reap_kill_keeper(r, &err);
	if (rc == REAP_DONE)
		rc = reap_teardown(r, job->id, reap_acts[job->act].depth, job->reason, &err);
	if (rc < 0)
		reap_failed(r, job->id, &err);
	if (rc == REAP_DONE)
		reap_tell(r, job);
}

static bool reap_one(const char *id, void *arg)
{
	struct reap *r = arg;
	struct reap_job job = { .r = r, .id = id };
	const struct sink *sink = r->sink;
	struct reap_facts facts;
	struct err err = { 0 };

	if (reap_look(r, id, &facts, &err) < 0) {
		reap_failed(r, id, &err);
		return true;
	}
	if (r->state_fd < 0 && r->run_fd < 0 && !r->by_slot)
		return true; /* it has ended since it was listed */
	job.act = reap_decide(&facts, &job.reason);
	if (job.act == REAP_LEAVE) {
		if (facts.unread && !facts.held && !r->entry.has_deadline)
			reap_failed(r, id, reap_unread(id, &err));
		else if (facts.half && !facts.held)
			reap_failed(r, id, &r->entry.unread);
	} else if (job.act == REAP_BOOK) {
		if (!r->dry_run && reap_book(r, id, facts.end, &err) < 0)
			reap_failed(r, id, &err);
	} else if (r->dry_run) {
		reap_tell(r, &job);
	} else {
		crew_start(&r->crew, id, reap_work, &job);
		r->sink = sink; /* where there was no process for it */
	}
	return true;
}

/* ---- what has no sandbox ---- */

/* A mark that can't be written (disk full) or read holds up no end: what was read, or elapsed time alone, decides. */
static int reap_begin(struct reap *r, struct err *err)
{
	struct err why;

	if (deadline_now(&r->now, err) < 0)
		return -1;
	if (deadline_clock(r->host, &r->now, r->dry_run, &r->clock, &why) < 0 &&
	    r->clock.magic == 0)
		reap_failed(r, "", &why);
	return 0;
}

/* Under reap.lock. */
static int reap_all(struct reap *r, struct err *err)
{
	int rc;

	if (reap_begin(r, err) < 0)
		return -1;
	inject_point(inject_reap(INJECT_REAP_LOCKED));
	rc = entry_each(r->host, reap_one, r, err);
	crew_wait(&r->crew); /* only then is it known of which slots nothing else is left */
	inject_point(inject_reap(INJECT_REAP_SANDBOXES));
	if (rc < 0)
		return -1;
	r->by_slot = true;
	reap_left(r->host, r->dry_run, reap_one, r, r->sink);
	r->by_slot = false;
	crew_wait(&r->crew);
	inject_point(inject_reap(INJECT_REAP_SLOTS));
	reap_spool(r->host, r->dry_run, r->now.real_s, r->sink);
	inject_point(inject_reap(INJECT_REAP_SPOOL));
	return 0;
}

int reap_run(const struct host_config *host, bool dry_run, const struct sink *sink, struct err *err)
{
	static struct reap r; /* too large for a stack */
	char path[PATHS_SIZE];
	int rc, there = paths_is_there(host->run_dir, err);

	r = (struct reap){ .host = host,
			   .sink = &r.crew.here,
			   .dry_run = dry_run,
			   .state_fd = -1,
			   .run_fd = -1,
			   .lock_fd = -1 };
	/* mayfly has never been here, or host down left its receipts alone */
	if (there == 0)
		there = paths_is_there(paths_state(host, "sandboxes", path), err);
	if (there <= 0)
		return there;
	if (paths_make(host, err) < 0)
		return -1;
	r.lock_fd = lock_take(paths_run_dir(host, "reap.lock", path), LOCK_WAIT, err);
	if (r.lock_fd < 0)
		return -1;
	crew_open(&r.crew, sink);
	rc = reap_all(&r, err);
	reap_release(&r);
	crew_close(&r.crew);
	fd_close(&r.lock_fd);
	if (rc == 0 && r.crew.failures > 0) {
		*err = r.crew.first;
		rc = -1;
	}
	return rc;
}

/* Kill its keeper (force), then all of it. REAP_DONE, REAP_NOT_OURS, or -1 with err. */
static int reap_destroy_once(struct reap *r, const char *id, bool force, struct err *err)
{
	struct reap_facts facts;

	if (entry_load(r->host, id, &r->entry, err) < 0 || reap_look(r, id, &facts, err) < 0)
		return -1;
	if (facts.held && !force)
		return err_set(err, ERR_FAILED, "its keeper lives and has to be asked");
	if (facts.held && reap_kill_keeper(r, err) < 0)
		return -1;
	return reap_teardown(r, id, TEARDOWN_ALL, END_DESTROYED, err);
}

int reap_destroy(const struct host_config *host, const char *id, bool force,
		 const struct sink *sink, struct err *err)
{
	static struct reap r;
	int rc, waited_ms = 0;

	r = (struct reap){
		.host = host, .sink = sink, .state_fd = -1, .run_fd = -1, .lock_fd = -1
	};
	if (!id_is_valid(id))
		return err_set(err, ERR_USAGE, "\"%.40s\" is not an id", id);
	if (reap_begin(&r, err) < 0)
		return -1;
	rc = reap_destroy_once(&r, id, force, err);
	/* a keeper that has its lock and not yet a status can't be killed by that: soon it can, or has gone */
	for (; rc == REAP_NOT_OURS && force && waited_ms < REAP_KILL_MS;
	     waited_ms += REAP_AGAIN_MS) {
		(void)poll(NULL, 0, REAP_AGAIN_MS);
		rc = reap_destroy_once(&r, id, force, err);
	}
	if (rc == REAP_NOT_OURS)
		return err_set(err, ERR_FAILED, "somebody else is ending or starting it");
	if (rc < 0)
		return -1;
	reap_say(&r, id, 0, "destroyed: removed");
	return 0;
}
