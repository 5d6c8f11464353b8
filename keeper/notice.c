/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/notice.h"

#include <stdlib.h>
#include <string.h>

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

static bool notice_line(const struct journal_line *line, void *arg)
{
	struct keeper *k = arg;
	char date[STR_INSTANT_SIZE], until[STR_INSTANT_SIZE], before[16];
	uint64_t before_s;

	(void)str_from_instant(k->deadline.deadline_s, date, sizeof(date));
	if (line->word == JOURNAL_EVENT && strncmp(line->text, "notice ", 7) == 0 &&
	    journal_value(line->text, "until", until, sizeof(until)) && strcmp(until, date) == 0 &&
	    journal_value(line->text, "before_s", before, sizeof(before)) &&
	    str_to_u64(before, UINT32_MAX, &before_s))
		notice_remember(k->told_s, (uint32_t)before_s);
	return true;
}

void notice_recall(struct keeper *k)
{
	char path[PATHS_SIZE];
	struct err err = { 0 };

	if (k->again && journal_each(paths_sandbox(&k->spec.host, k->spec.id, "journal", path),
				     notice_line, k, &err) < 0)
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
	(void)journal_event(k->journal_fd, &ignored, "notice before_s=%u left_s=%llu until=%s",
			    before_s, (unsigned long long)left_s,
			    str_from_instant(told.deadline_s, date, sizeof(date)));
	log_note("notice: ends %s, in %s", date, str_from_duration(left_s, left, sizeof(left)));
	(void)control_send(&k->control, GUEST_NOTICE, &told, sizeof(told));
	tell_notice(k, before_s, left_s);
}
