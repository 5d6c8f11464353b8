/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/entry.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/fd.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"

#define ENTRY_READINGS 3

const char *entry_state_word(enum store_state state)
{
	static const char *const words[] = {
		[STORE_CREATING] = "creating", [STORE_RUNNING] = "running",
		[STORE_ENDING] = "ending",     [STORE_STOPPED] = "stopped",
		[STORE_EXPIRED] = "expired",   [STORE_GRACE] = "grace",
		[STORE_BROKEN] = "broken",     [STORE_QUARANTINED] = "quarantined",
	};

	BUG_ON((size_t)state >= ARRAY_SIZE(words));
	return words[state];
}

enum store_state entry_decide(const struct entry_facts *facts)
{
	/* also while its keeper, or a reap that tried again, still has the lock */
	if (facts->has_residue)
		return STORE_QUARANTINED;
	if (facts->lock_held) {
		/* somebody only looks at it, or a start that has not begun yet */
		if (!facts->has_status && facts->has_spec && facts->durable && facts->has_end &&
		    !facts->expired)
			return STORE_STOPPED;
		if (!facts->has_status || facts->phase == STATUS_CREATING)
			return STORE_CREATING;
		return facts->phase == STATUS_ENDING ? STORE_ENDING : STORE_RUNNING;
	}
	if (!facts->has_spec)
		return STORE_BROKEN;
	if (facts->expired)
		return facts->in_grace ? STORE_GRACE : STORE_EXPIRED;
	/* a status of this boot without a holder of the lock: its keeper died before it could say why */
	if (facts->has_status && facts->same_boot)
		return STORE_BROKEN;
	/* no `end` and nothing of this boot: half made, or it ran when the host went down */
	if (!facts->durable || (!facts->has_end && !facts->has_ready))
		return STORE_BROKEN;
	return STORE_STOPPED;
}

/* What the journal knows, also after a reboot. */
struct entry_history {
	bool unread;	   /* whatever follows is not all */
	bool ready;	   /* it has ever been */
	int64_t until_s;   /* the last date it was renewed to; 0: never */
	int64_t before_s;  /* the one before that */
	char residue[256]; /* as struct store_entry has it */
};

static bool entry_read_history(const struct journal_line *line, void *arg)
{
	struct entry_history *history = arg;
	char until[STR_INSTANT_SIZE];
	int64_t until_s;

	if (line->word != JOURNAL_EVENT)
		return true;
	history->ready |= strncmp(line->text, "ready", 5) == 0;
	journal_residue(line, history->residue, sizeof(history->residue));
	if (strncmp(line->text, "renewed ", 8) == 0 &&
	    journal_value(line->text, "until", until, sizeof(until)) &&
	    str_to_instant(until, &until_s)) {
		history->before_s = history->until_s;
		history->until_s = until_s;
	}
	if (strncmp(line->text, "renewal failed", 14) ==
	    0) /* said behind the one that it is about */
		history->until_s = history->before_s;
	return true;
}

/* Its keeper grants its life a few steps after it has the spec, and its end removes record after record: none of these is lost. */
static bool entry_is_half(const struct store_entry *entry)
{
	return entry->has_status && entry->status.phase != STATUS_RUNNING;
}

/*
 * A record that is lost, damaged or can't be read must not make a life endless: the date that was granted, by the real clock
 * alone. Whether the mark counts for one that can't be read isn't known either. Without the journal it is unknown whether the
 * spec's date still holds.
 */
static void entry_recall_deadline(struct store_entry *entry, const struct entry_history *history)
{
	if (entry->has_deadline || !entry->has_spec || history->unread)
		return;
	deadline_recall(&entry->deadline,
			history->until_s ? history->until_s : entry->spec.deadline_s);
	if (entry->unread_deadline || entry_is_half(entry))
		entry->deadline.flags = DEADLINE_MARK_AHEAD;
	entry->has_deadline = true;
}

/* What a read gave: was there something? Absent and damaged are answers; a failed look is none. */
static bool entry_has(struct store_entry *entry, int rc, const struct err *err)
{
	if (rc < 0 && fd_is_unread(err) && entry->unread.code == ERR_NONE)
		entry->unread = *err;
	return rc == 0;
}

static void entry_read_records(const struct host_config *host, const char *id,
			       struct store_entry *entry)
{
	char path[PATHS_SIZE];
	struct err err;
	int rc;

	/* before the deadline, which is written behind it: one that runs by now has no record that is missing */
	rc = status_read(host, id, &entry->status, &err);
	entry->has_status = entry_has(entry, rc, &err);
	rc = spec_read(paths_sandbox(host, id, "spec", path), &entry->spec, &err);
	entry->has_spec = entry_has(entry, rc, &err);
	rc = deadline_read(host, id, &entry->deadline, &err);
	entry->has_deadline = entry_has(entry, rc, &err);
	entry->unread_deadline = rc < 0 && fd_is_unread(&err);
	rc = status_read_end(host, id, &entry->end, &err);
	entry->has_end = entry_has(entry, rc, &err);
}

/* Where its state directory has gone and its run directory has not, the journal is the receipt already. */
static void entry_read_journal(const struct host_config *host, const char *id,
			       struct store_entry *entry, struct entry_history *history)
{
	char path[PATHS_SIZE], sandbox[PATHS_SIZE];
	struct err err;
	int rc = journal_each(paths_sandbox(host, id, "journal", path), entry_read_history, history,
			      &err);

	if (rc < 0 && err.code == ERR_NOT_FOUND) {
		int there = paths_is_there(paths_sandbox(host, id, NULL, sandbox), &err);

		if (there == 0)
			rc = journal_each(paths_receipt(host, id, path), entry_read_history,
					  history, &err);
	}
	history->unread = !entry_has(entry, rc, &err) && fd_is_unread(&err);
}

/* 1, 0 when nothing of that id is there, -1 with err when that can't be told. */
static int entry_is_there(const struct host_config *host, const char *id, struct err *err)
{
	char path[PATHS_SIZE];
	int there = paths_is_there(paths_sandbox(host, id, NULL, path), err);

	return there == 0 ? paths_is_there(paths_run(host, id, NULL, path), err) : there;
}

/* Its keeper let go of it while it was read: what was read of it is of two times. */
static bool entry_is_torn(const struct host_config *host, const char *id,
			  const struct store_entry *entry, bool lock_held)
{
	char path[PATHS_SIZE];
	struct err ignored;

	return entry->has_status && !lock_held &&
	       paths_is_there(paths_run(host, id, "status", path), &ignored) == 0;
}

/* 0, 1 when it has to be read once more, or -1 with err. */
static int entry_load_once(const struct host_config *host, const char *id,
			   struct store_entry *entry, struct err *err)
{
	char path[PATHS_SIZE];
	struct entry_facts facts = { 0 };
	struct entry_history history = { 0 };
	struct clock_record clock = { 0 };
	struct deadline_now now;
	struct err why;
	int there, held;

	memset(entry, 0, sizeof(*entry));
	there = id_is_valid(id) ? entry_is_there(host, id, err) : 0;
	if (there == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no sandbox %.16s", id);
	if (there < 0)
		return -1;
	if (deadline_now(&now, err) < 0)
		return -1;
	(void)deadline_clock(host, &now, true, &clock, &why);
	memcpy(entry->id, id, ID_SIZE);
	entry_read_records(host, id, entry);
	entry_read_journal(host, id, entry, &history);
	entry_recall_deadline(entry, &history);

	held = lock_look(paths_run(host, id, "lock", path), &why);
	(void)entry_has(entry, held < 0 ? -1 : 0, &why);
	facts.lock_held = held > 0;
	facts.has_spec = entry->has_spec;
	facts.has_status = entry->has_status;
	facts.has_end = entry->has_end;
	facts.phase = entry->status.phase;
	facts.same_boot = entry->has_status && strcmp(entry->status.boot_id, now.boot_id) == 0;
	facts.durable = entry->has_spec && (entry->spec.flags & SPEC_DURABLE);
	if (entry->has_deadline) {
		struct deadline_verdict verdict = deadline_check(&entry->deadline, &clock, &now);

		facts.expired = verdict.expired;
		/* not before its last run has been cleared away */
		facts.in_grace = facts.durable && entry->spec.disk_bytes > 0 &&
				 entry->spec.grace_s > 0 && !entry->has_status &&
				 !deadline_is_due(&verdict, entry->spec.grace_s);
		entry->over_s = verdict.over_s;
	}
	facts.has_ready = history.ready;
	facts.has_residue = history.residue[0] != '\0';
	memcpy(entry->residue, history.residue, sizeof(entry->residue));
	entry->state = entry_decide(&facts);
	facts.lock_held = false;
	entry->at_rest = entry_decide(&facts);
	return entry_is_torn(host, id, entry, held > 0);
}

int entry_load(const struct host_config *host, const char *id, struct store_entry *entry,
	       struct err *err)
{
	int rc = 1;

	for (int i = 0; i < ENTRY_READINGS && rc > 0; i++)
		rc = entry_load_once(host, id, entry, err);
	return rc < 0 ? -1 : 0;
}

struct entry_ids {
	char (*ids)[ID_SIZE];
	size_t n, room;
};

static int entry_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int entry_collect(const char *dir, struct entry_ids *list, struct err *err)
{
	DIR *stream = opendir(dir);
	const struct dirent *d;
	int r;

	if (!stream && errno == ENOENT)
		return 0;
	if (!stream)
		return err_sys(err, "can't open %s", dir);
	while ((r = dir_next(stream, &d, err)) > 0) {
		if (!id_is_valid(d->d_name))
			continue;
		if (list->n == list->room) {
			size_t room = list->room ? list->room * 2 : 64;
			void *grown = reallocarray(list->ids, room, ID_SIZE);

			if (!grown) {
				(void)closedir(stream);
				return err_set(err, ERR_FAILED, "out of memory");
			}
			list->ids = grown;
			list->room = room;
		}
		memcpy(list->ids[list->n++], d->d_name, ID_SIZE);
	}
	(void)closedir(stream);
	return r < 0 ? err_wrap(err, "%s", dir) : 0;
}

int entry_each(const struct host_config *host, bool (*visit)(const char *id, void *arg), void *arg,
	       struct err *err)
{
	struct entry_ids list = { 0 };
	char path[PATHS_SIZE];
	int rc = entry_collect(paths_state(host, "sandboxes", path), &list, err);

	if (rc == 0)
		rc = entry_collect(host->run_dir, &list, err);
	if (rc == 0 && list.n > 0)
		qsort(list.ids, list.n, ID_SIZE, entry_compare);
	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		if (i > 0 && strcmp(list.ids[i], list.ids[i - 1]) == 0)
			continue;
		if (!visit(list.ids[i], arg))
			break;
	}
	free(list.ids);
	return rc;
}

struct entry_search {
	const char *prefix;
	size_t matches;
	char id[ID_SIZE];
};

static bool entry_match(const char *id, void *arg)
{
	struct entry_search *search = arg;

	if (strncmp(id, search->prefix, strlen(search->prefix)) == 0) {
		search->matches++;
		memcpy(search->id, id, ID_SIZE);
	}
	return true;
}

int entry_find(const struct host_config *host, const char *name, char id[ID_SIZE], struct err *err)
{
	struct entry_search search = { .prefix = name };
	char path[PATHS_SIZE], target[PATHS_SIZE];
	ssize_t n;

	if (!str_is_name(name))
		return err_set(err, ERR_USAGE, "\"%.60s\" is not a sandbox's name", name);
	n = readlink(paths_name(host, name, path), target, sizeof(target) - 1);
	if (n < 0 && errno != ENOENT && errno != EINVAL)
		return err_sys(err, "can't read %s", path);
	if (n >= ID_LEN) {
		target[n] = '\0';
		memcpy(id, target + n - ID_LEN, ID_SIZE);
		if (id_is_valid(id))
			return 0;
	}
	if (strlen(name) >= 4 && strlen(name) <= ID_LEN) {
		if (entry_each(host, entry_match, &search, err) < 0)
			return -1;
		if (search.matches == 1) {
			memcpy(id, search.id, ID_SIZE);
			return 0;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "there is no sandbox \"%s\"", name);
}
