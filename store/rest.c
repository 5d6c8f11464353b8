/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/rest.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/deadline.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/status.h"

#define REST_TRIES    250
#define REST_PAUSE_NS 20000000L /* 5 s in all: a reap that books, a keeper on its way out */

int rest_check(const struct store_entry *entry, struct err *err)
{
	char date[STR_INSTANT_SIZE];

	switch (entry->at_rest) {
	case STORE_STOPPED:
		return 0;
	case STORE_GRACE:
		return err_set(
			err, ERR_FAILED,
			"its date has come, its disk is kept until %s; to bring it back: "
			"mayfly renew %s --ttl DURATION --reason TEXT",
			str_from_instant(entry->deadline.deadline_s + (int64_t)entry->spec.grace_s,
					 date, sizeof(date)),
			entry->spec.name);
	case STORE_EXPIRED:
		return err_set(err, ERR_FAILED, "its date has come");
	default:
		return err_set(err, ERR_FAILED,
			       "its last run has not been cleared away; run: mayfly reap");
	}
}

/* On half of what is known nothing is started, and nothing written over the rest. */
static int rest_check_read(const struct store_entry *entry, struct err *err)
{
	if (entry->unread.code == ERR_NONE)
		return 0;
	*err = entry->unread;
	return -1;
}

int rest_take(const struct host_config *host, const char *id, bool in_grace,
	      struct store_entry *entry, struct err *err)
{
	const struct timespec pause = { .tv_nsec = REST_PAUSE_NS };
	char path[PATHS_SIZE];
	int fd = -1;

	for (int i = 0; i < REST_TRIES && fd < 0; i++) {
		/* looked at each time: claiming must not make a directory for one that has gone */
		int there = paths_is_there(paths_sandbox(host, id, NULL, path), err);

		if (there == 0)
			return err_set(err, ERR_NOT_FOUND, "there is no sandbox %.16s", id);
		if (there < 0)
			return -1;
		fd = lock_claim(host, id, err);
		if (fd < 0 && err->os_errno != EAGAIN)
			return -1;
		if (fd < 0)
			(void)nanosleep(&pause, NULL);
	}
	if (fd < 0)
		return err_set(err, ERR_FAILED, "it runs, or somebody is at it");
	if (entry_load(host, id, entry, err) < 0 || rest_check_read(entry, err) < 0 ||
	    (!(in_grace && entry->at_rest == STORE_GRACE) && rest_check(entry, err) < 0)) {
		lock_unclaim(host, id, &fd);
		return -1;
	}
	return fd;
}

int rest_renew(const struct host_config *host, struct store_entry *entry, int64_t deadline_s,
	       const char *who, const char *reason, struct err *err)
{
	struct deadline_record fresh = entry->deadline;
	char date[STR_INSTANT_SIZE];
	struct clock_record clock;
	struct deadline_now now;
	auto_fd journal = -1;
	bool in_grace = entry->at_rest == STORE_GRACE;

	if (in_grace && reason[0] == '\0')
		return err_set(err, ERR_USAGE,
			       "its date has come, only its grace keeps its disk: --reason has to "
			       "say why it comes back");
	if (deadline_now(&now, err) < 0 || deadline_clock(host, &now, false, &clock, err) < 0)
		return -1;
	deadline_grant(&fresh, &clock, &now, deadline_s);
	fresh.renewals++;
	if (deadline_check(&fresh, &clock, &now).expired)
		return err_set(err, ERR_USAGE, "that date has come already");
	/* who and why first: a longer life that nobody answers for must not exist */
	journal = journal_open(host, entry->id, false, err);
	if (journal < 0 || journal_event(journal, err, "renewed until=%s by=%s%s reason=%s",
					 str_from_instant(deadline_s, date, sizeof(date)), who,
					 in_grace ? " from=grace" : "", reason) < 0)
		return -1;
	if (deadline_write(host, entry->id, &fresh, err) < 0) {
		struct err ignored;

		(void)journal_event(journal, &ignored, "renewal failed: %s", err->text);
		return -1;
	}
	entry->deadline = fresh;
	/* its date is no longer why it rests; when the next one comes, that is told again */
	if (entry->has_end && entry->end.reason == END_EXPIRED) {
		struct err ignored;

		(void)status_write_end(host, entry->id, END_STOPPED, "", &ignored);
	}
	return 0;
}
