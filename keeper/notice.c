/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/keeper.h"
#include "keeper/tell.h"
#include "store/journal.h"
#include "store/paths.h"

/* Only the nearest counts: who hears "10 minutes" needs no "24 hours". Told or not, it stands in front of the others. */
uint32_t notice_due(const uint32_t notices[SPEC_MAX_NOTICES], const uint32_t told[SPEC_MAX_NOTICES],
		    uint64_t granted_s, uint64_t left_s)
{
	uint32_t nearest = 0;

	for (size_t i = 0; i < SPEC_MAX_NOTICES && notices[i] >= left_s && notices[i]; i++)
		if (notices[i] < granted_s)
			nearest = notices[i];
	for (size_t i = 0; i < SPEC_MAX_NOTICES; i++)
		if (told[i] == nearest)
			return 0;
	return nearest;
}

uint64_t notice_wait(const uint32_t notices[SPEC_MAX_NOTICES], uint64_t left_s)
{
	for (size_t i = 0; i < SPEC_MAX_NOTICES && notices[i]; i++)
		if (notices[i] < left_s)
			return left_s - notices[i];
	return UINT64_MAX;
}

/* Full only after changes of the configuration: the earliest told is the one that matters least. */
static void notice_remember(uint32_t told[SPEC_MAX_NOTICES], uint32_t before_s)
{
	size_t i = 0;

	while (i < SPEC_MAX_NOTICES - 1 && told[i])
		i++;
	if (told[i]) {
		memmove(told, told + 1, (SPEC_MAX_NOTICES - 1) * sizeof(told[0]));
		i = SPEC_MAX_NOTICES - 1;
	}
	told[i] = before_s;
}

struct notice_heard {
	int64_t deadline_s;
	uint32_t *told;
};

static bool notice_line(const struct journal_line *line, void *arg)
{
	const struct notice_heard *heard = arg;
	char date[STR_INSTANT_SIZE], until[STR_INSTANT_SIZE], before[16];
	uint64_t before_s;

	(void)str_from_instant(heard->deadline_s, date, sizeof(date));
	if (line->word == JOURNAL_EVENT && strncmp(line->text, "notice ", 7) == 0 &&
	    journal_value(line->text, "until", until, sizeof(until)) && strcmp(until, date) == 0 &&
	    journal_value(line->text, "before_s", before, sizeof(before)) &&
	    str_to_u64(before, UINT32_MAX, &before_s))
		notice_remember(heard->told, (uint32_t)before_s);
	return true;
}

/* What the journal says was told of this date. */
static int notice_read(const struct spec *spec, int64_t deadline_s, uint32_t told[SPEC_MAX_NOTICES],
		       struct err *err)
{
	struct notice_heard heard = { .deadline_s = deadline_s, .told = told };
	char path[PATHS_SIZE];

	return journal_each(paths_sandbox(&spec->host, spec->id, "journal", path), notice_line,
			    &heard, err);
}

/* Before anybody is told. */
static int notice_write(int journal_fd, uint32_t before_s, uint64_t left_s, int64_t deadline_s,
			struct err *err)
{
	char date[STR_INSTANT_SIZE];

	return journal_event(journal_fd, err, "notice before_s=%u left_s=%llu until=%s", before_s,
			     (unsigned long long)left_s,
			     str_from_instant(deadline_s, date, sizeof(date)));
}

void notice_recall(struct keeper *k)
{
	struct err err = { 0 };

	if (k->again && notice_read(&k->spec, k->deadline.deadline_s, k->told_s, &err) < 0)
		log_warning("%s: notices may come twice: %s", k->spec.name, err.text);
}

void notice_forget(struct keeper *k)
{
	memset(k->told_s, 0, sizeof(k->told_s));
}

void notice_look(struct keeper *k, uint64_t left_s)
{
	uint32_t before_s =
		notice_due(k->spec.host.notices_s, k->told_s, k->deadline.granted_s, left_s);
	struct guest_notice told = { .deadline_s = k->deadline.deadline_s, .left_s = left_s };
	char date[STR_INSTANT_SIZE], left[32];
	struct err ignored;

	if (before_s == 0 || !k->live || k->life.state != LIFE_RUNNING)
		return;
	/* first, and durable: what was told is not told again. Where the disk is full it is told all the same */
	notice_remember(k->told_s, before_s);
	(void)notice_write(k->journal_fd, before_s, left_s, told.deadline_s, &ignored);
	log_note("notice: ends %s, in %s", str_from_instant(told.deadline_s, date, sizeof(date)),
		 str_from_duration(left_s, left, sizeof(left)));
	(void)control_send(&k->control, GUEST_NOTICE, &told, sizeof(told));
	tell_notice(k, before_s, left_s);
}

void notice_rest(const struct spec *spec, const struct deadline_record *deadline, uint64_t left_s)
{
	const uint32_t *notices = spec->host.notices_s;
	uint32_t told[SPEC_MAX_NOTICES] = { 0 }, before_s;
	auto_fd journal = -1;
	struct err err;

	/* nobody to tell, or nothing: most of all looks */
	if (!spec->host.hook[0] || !notice_due(notices, told, deadline->granted_s, left_s))
		return;
	if (notice_read(spec, deadline->deadline_s, told, &err) < 0)
		return; /* once too few is better than each minute */
	before_s = notice_due(notices, told, deadline->granted_s, left_s);
	if (before_s == 0)
		return;
	journal = journal_open(&spec->host, spec->id, false, &err);
	if (journal >= 0 &&
	    notice_write(journal, before_s, left_s, deadline->deadline_s, &err) == 0)
		tell_rest(spec, deadline->deadline_s, before_s, left_s);
}
