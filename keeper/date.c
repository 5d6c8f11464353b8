/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/date.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/inject.h"
#include "keeper/keeper.h"
#include "keeper/notice.h"
#include "keeper/tell.h"
#include "store/deadline.h"
#include "store/journal.h"

#define DATE_BOOK_S 60

/* Both clocks and the host's mark, looked at now. */
static int date_look(const struct keeper *k, struct deadline_now *now, struct clock_record *clock,
		     struct err *err)
{
	/* the boot id may be out of reach (no descriptor left on the host); it is the one this keeper began in */
	*clock = (struct clock_record){ .jump_boot_s = 1 }; /* confirms nothing */
	if (deadline_now(now, err) < 0) {
		if (k->status.boot_id[0] == '\0')
			return -1;
		memcpy(now->boot_id, k->status.boot_id, sizeof(now->boot_id));
	}
	return deadline_clock(&k->spec.host, now, false, clock, err);
}

/* When the mark can't be read or written (disk full), what was read decides. */
static struct deadline_verdict date_verdict(const struct keeper *k)
{
	struct clock_record clock = { 0 };
	struct deadline_now now = { 0 };
	struct err ignored;

	(void)date_look(k, &now, &clock, &ignored);
	return deadline_check(&k->deadline, &clock, &now);
}

bool date_is_due(const struct keeper *k)
{
	struct deadline_verdict verdict = date_verdict(k);

	return deadline_is_due(&verdict, k->spec.grace_s);
}

int64_t date_grace_until(const struct keeper *k)
{
	return k->spec.grace_s ? k->deadline.deadline_s + (int64_t)k->spec.grace_s : 0;
}

void date_book(struct keeper *k)
{
	struct deadline_now now;
	struct err ignored;

	if (k->deadline.magic == 0 || deadline_now(&now, &ignored) < 0)
		return;
	deadline_account(&k->deadline, &now);
	(void)deadline_write(&k->spec.host, k->spec.id, &k->deadline, &ignored);
}

uint64_t date_left(const struct keeper *k)
{
	return date_verdict(k).left_s;
}

/* The record of a life until deadline_s, granted now. Refuses a date that has come. */
static int date_make(const struct keeper *k, int64_t deadline_s, struct deadline_record *fresh,
		     struct err *err)
{
	struct clock_record clock;
	struct deadline_now now;

	*fresh = k->deadline;
	if (date_look(k, &now, &clock, err) < 0)
		return -1;
	deadline_grant(fresh, &clock, &now, deadline_s);
	if (deadline_check(fresh, &clock, &now).expired)
		return err_set(err, ERR_USAGE, "that date has come already");
	return 0;
}

static int date_write(struct keeper *k, const struct deadline_record *fresh, struct err *err)
{
	if (deadline_write(&k->spec.host, k->spec.id, fresh, err) < 0)
		return -1;
	k->deadline = *fresh;
	return 0;
}

int date_grant(struct keeper *k, struct err *err)
{
	int64_t asked_s = k->spec.deadline_s - k->spec.created_s;
	struct deadline_record fresh;

	if (date_make(k, k->spec.deadline_s, &fresh, err) < 0)
		return -1;
	/* a clock that was set back since it was asked for makes no longer life */
	if (asked_s > 0 && fresh.granted_s > (uint64_t)asked_s)
		fresh.granted_s = (uint64_t)asked_s;
	return date_write(k, &fresh, err);
}

int date_resume(struct keeper *k, struct err *err)
{
	struct deadline_verdict verdict;
	struct clock_record clock = { 0 };
	struct deadline_now now = { 0 };

	if (date_look(k, &now, &clock, err) < 0)
		return -1;
	verdict = deadline_check(&k->deadline, &clock, &now);
	if (verdict.expired) {
		k->life.reason = END_EXPIRED;
		k->life.due = deadline_is_due(&verdict, k->spec.grace_s);
		return err_set(err, ERR_FAILED, "its date has come");
	}
	deadline_account(&k->deadline, &now);
	return deadline_write(&k->spec.host, k->spec.id, &k->deadline, err);
}

/* settime may say ECANCELED (the clock was set since) with the timer armed all the same. */
static void date_arm(struct keeper *k, uint64_t wait_s)
{
	struct itimerspec date = { .it_value.tv_sec = k->deadline.deadline_s };
	struct itimerspec book = { .it_value.tv_sec = wait_s > 0 ? (time_t)wait_s : 1 };

	(void)timerfd_settime(k->date_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &date, NULL);
	(void)timerfd_settime(k->elapsed_fd, 0, &book, NULL);
}

void date_soon(struct keeper *k)
{
	date_arm(k, 1);
}

/* Until the elapsed bound, the next notice or the next booking. */
static uint64_t date_wait(const struct keeper *k, const struct deadline_verdict *verdict)
{
	uint64_t notice_s = notice_wait(k->spec.host.notices_s, verdict->left_s);
	uint64_t wait_s = DATE_BOOK_S;

	if (verdict->elapsed_left_s < wait_s)
		wait_s = verdict->elapsed_left_s;
	return notice_s < wait_s ? notice_s : wait_s;
}

int date_open(struct keeper *k, struct err *err)
{
	k->date_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	k->elapsed_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (k->date_fd < 0 || k->elapsed_fd < 0)
		return err_sys(err, "can't make the timers");
	date_soon(k);
	return 0;
}

static void date_tell_clock(struct keeper *k)
{
	struct guest_clock clock;
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return;
	clock.now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	(void)control_send(&k->control, GUEST_CLOCK, &clock, sizeof(clock));
}

bool date_tick(struct keeper *k)
{
	struct deadline_verdict verdict;
	struct clock_record clock = { 0 };
	struct deadline_now now = { 0 };
	struct err ignored;
	uint64_t expirations;

	if (read(k->date_fd, &expirations, sizeof(expirations)) < 0 && errno == ECANCELED)
		date_tell_clock(k);
	(void)!read(k->elapsed_fd, &expirations, sizeof(expirations));
	(void)date_look(k, &now, &clock, &ignored);
	verdict = deadline_check(&k->deadline, &clock, &now);
	if (now.boot_s > k->deadline.boot_start_s + DATE_BOOK_S - 1) {
		deadline_account(&k->deadline, &now);
		(void)deadline_write(&k->spec.host, k->spec.id, &k->deadline, &ignored);
	}
	if (!verdict.expired) {
		date_arm(k, date_wait(k, &verdict));
		notice_look(k, verdict.left_s);
	}
	return verdict.expired;
}

/* ---- renewal ---- */

struct renewal {
	struct keeper *k;
	int64_t deadline_s;
	const char *who, *reason;
	struct deadline_record fresh;
	char text[STR_INSTANT_SIZE];
};

/* Who and why first: a longer life that nobody answers for must not exist. */
static int date_renew_journal(struct renewal *r, struct err *err)
{
	return journal_event(r->k->journal_fd, err, "renewed until=%s by=%s reason=%s", r->text,
			     r->who, r->reason);
}

static int date_renew_record(struct renewal *r, struct err *err)
{
	struct err ignored;

	if (date_write(r->k, &r->fresh, err) == 0)
		return 0;
	(void)journal_event(r->k->journal_fd, &ignored, "renewal failed: %s", err->text);
	return -1;
}

static int date_renew_timer(struct renewal *r, struct err *err)
{
	(void)err;
	log_note("renewed until %s by %s: %s", r->text, r->who, r->reason);
	date_soon(r->k);
	return 0;
}

static int date_renew_guest(struct renewal *r, struct err *err)
{
	struct guest_deadline told = { .deadline_s = r->deadline_s };

	(void)err;
	(void)control_send(&r->k->control, GUEST_DEADLINE, &told, sizeof(told));
	return 0;
}

static int date_renew_notices(struct renewal *r, struct err *err)
{
	(void)err;
	notice_forget(r->k);
	tell_renewed(r->k, r->who, r->reason);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct renewal *r, struct err *err);
} date_renewal[] = {
	{ "journal", date_renew_journal }, { "record", date_renew_record },
	{ "timer", date_renew_timer },	   { "guest", date_renew_guest },
	{ "notices", date_renew_notices },
};

unsigned date_renew_steps(void)
{
	return ARRAY_SIZE(date_renewal);
}

const char *date_renew_step_name(unsigned step)
{
	return date_renewal[step].name;
}

int date_renew(struct keeper *k, int64_t deadline_s, const char *who, const char *reason,
	       struct err *err)
{
	struct renewal r = { .k = k, .deadline_s = deadline_s, .who = who, .reason = reason };

	if (date_left(k) == 0)
		return err_set(err, ERR_FAILED, "too late: its date has come");
	if (date_make(k, deadline_s, &r.fresh, err) < 0)
		return -1;
	r.fresh.renewals++;
	(void)str_from_instant(deadline_s, r.text, sizeof(r.text));
	for (unsigned i = 0; i < date_renew_steps(); i++) {
		inject_point(inject_renew(i, 0));
		if (date_renewal[i].run(&r, err) < 0)
			return -1;
		inject_point(inject_renew(i, 1));
	}
	return 0;
}
