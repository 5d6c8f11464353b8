/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What a teardown works from: journal or receipt, slots, names, status. A look that fails is none: nothing is undone by halves. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "keeper/keeper.h"
#include "keeper/plan.h"
#include "keeper/teardown.h"
#include "store/deadline.h"
#include "store/journal.h"
#include "store/paths.h"
#include "store/status.h"

/* An intent begins another object of its kind: what was known of an earlier run's is no longer true. */
static void teardown_forget(struct teardown *t, const char *kind)
{
	if (strcmp(kind, "cgroup") == 0)
		t->cgroup_inode = 0;
	if (strcmp(kind, "slot") == 0) {
		t->uid = t->mark = 0;
		t->has_number = false;
	}
	if (strcmp(kind, "monitor") == 0)
		t->monitor_pid = 0;
	if (strcmp(kind, "ports") == 0)
		t->n_sockets = 0;
}

/* The listeners of its latest run. */
static void teardown_sockets(struct teardown *t, const char *text)
{
	char list[PORTS_SOCKETS_SIZE], *next;

	t->n_sockets = 0;
	if (!journal_value(text, "sockets", list, sizeof(list)))
		return;
	for (const char *at = list; *at && t->n_sockets < SPEC_MAX_PORTS;
	     at = next + (*next == ',')) {
		t->sockets[t->n_sockets++] = (uint32_t)strtoul(at, &next, 10);
		if (next == at)
			return;
	}
}

/* What earlier ends have said of each row, so that the next one, a minute later, says only what is new. */
static void teardown_hear(struct teardown *t, const struct journal_line *line)
{
	unsigned bit = teardown_bit(line->kind, strlen(line->kind));
	char word[32];

	if (line->word == JOURNAL_GONE) {
		t->gone_told |= bit;
		t->residue_told &= ~bit;
	} else if (line->word != JOURNAL_EVENT) {
		t->gone_told &= ~bit;
	} else if (strncmp(line->text, "residue ", 8) == 0) {
		t->residue_told |= teardown_bit(line->text + 8, strcspn(line->text + 8, ":"));
	} else if (sscanf(line->text, "ended %31s", word) == 1) {
		t->ended_told = status_reason_from_word(word);
	} else if (strncmp(line->text, "stopped ", 8) == 0 ||
		   strncmp(line->text, "renewed ", 8) == 0) {
		t->ended_told = 0;
	} else if (strncmp(line->text, "ready ", 6) == 0 ||
		   strncmp(line->text, "starting ", 9) == 0) {
		t->gone_told = t->residue_told = 0;
		t->ended_told = 0;
	}
}

static uint32_t teardown_number(const struct journal_line *line, const char *key)
{
	char value[32];

	return journal_value(line->text, key, value, sizeof(value))
		       ? (uint32_t)strtoul(value, NULL, 0)
		       : 0;
}

static void teardown_fact_monitor(struct teardown *t, const struct journal_line *line)
{
	char value[32];

	if (journal_value(line->text, "pid", value, sizeof(value)))
		t->monitor_pid = (pid_t)strtol(value, NULL, 10);
	if (journal_value(line->text, "start", value, sizeof(value)))
		t->monitor_start = strtoull(value, NULL, 10);
}

static bool teardown_fact(const struct journal_line *line, void *arg)
{
	struct teardown *t = arg;
	char value[32];

	t->heard = true;
	t->told = line->word == JOURNAL_EVENT && strncmp(line->text, "gone ", 5) == 0;
	teardown_hear(t, line);
	if (line->word != JOURNAL_FACT && line->word != JOURNAL_INTENT)
		return true;
	if (line->word == JOURNAL_INTENT)
		teardown_forget(t, line->kind);
	if (strcmp(line->kind, "name") == 0)
		(void)str_copy(t->name, sizeof(t->name), line->name);
	if (strcmp(line->kind, "cgroup") == 0) {
		(void)str_copy(t->cgroup, sizeof(t->cgroup), line->name);
		if (journal_value(line->text, "ino", value, sizeof(value)))
			t->cgroup_inode = strtoull(value, NULL, 10);
	}
	if (strcmp(line->kind, "run") == 0)
		(void)journal_value(line->text, "boot", t->boot, sizeof(t->boot));
	if (strcmp(line->kind, "slot") == 0 && line->word == JOURNAL_FACT) {
		t->uid = teardown_number(line, "uid");
		t->mark = teardown_number(line, "mark");
		t->number = teardown_number(line, "number");
		t->has_number = true;
	}
	if (strcmp(line->kind, "ports") == 0)
		teardown_sockets(t, line->text);
	if (strcmp(line->kind, "monitor") == 0)
		teardown_fact_monitor(t, line);
	return true;
}

/* The slot whose file names this id. */
static int teardown_look_slot(struct teardown *t, struct err *err)
{
	struct slot_plan plan;
	struct err ignored;

	for (uint32_t slot = 0; slot < t->host->slot_count && !t->has_slot; slot++) {
		char path[PATHS_SIZE], id[ID_SIZE] = "";
		ssize_t n =
			fd_read_file(AT_FDCWD, paths_slot(t->host, slot, path), id, ID_LEN, err);

		if (n < 0 && err->os_errno != ENOENT && err->os_errno != EFBIG)
			return -1;
		if (n != ID_LEN || strcmp(id, t->id) != 0)
			continue;
		t->has_slot = true;
		t->slot = slot;
	}
	if (t->has_slot && (t->uid == 0 || t->mark == 0) &&
	    plan_for_slot(t->host, t->slot, &plan, &ignored) == 0) {
		t->uid = plan.uid;
		t->mark = plan.mark;
	}
	return 0;
}

/* Without a word of the journal: the name that leads here. */
static int teardown_look_name(struct teardown *t, struct err *err)
{
	char dir[PATHS_SIZE], target[PATHS_SIZE];
	DIR *stream = opendir(paths_state(t->host, "names", dir));
	const struct dirent *d;
	int r = 0;

	if (!stream && errno != ENOENT)
		return err_sys(err, "can't read %s", dir);
	while (stream && !t->name[0] && (r = dir_next(stream, &d, err)) > 0) {
		ssize_t n = readlinkat(dirfd(stream), d->d_name, target, sizeof(target) - 1);

		if (n < 0 && errno != EINVAL && errno != ENOENT) /* no link, or gone since */
			r = err_sys(err, "can't read %s/%s", dir, d->d_name);
		if (r < 0)
			break;
		if (n < ID_LEN)
			continue;
		target[n] = '\0';
		if (strcmp(target + n - ID_LEN, t->id) == 0)
			(void)str_copy(t->name, sizeof(t->name), d->d_name);
	}
	if (stream)
		(void)closedir(stream);
	return r < 0 ? -1 : 0;
}

/* Likewise the cgroup, from the status of a sandbox of this boot; one that is damaged tells nothing. */
static int teardown_look_cgroup(struct teardown *t, struct err *err)
{
	struct status_record status;

	if (status_read(t->host, t->id, &status, err) == 0)
		(void)str_copy(t->cgroup, sizeof(t->cgroup), status.cgroup);
	else if (err->os_errno != 0 && err->os_errno != EFBIG)
		return -1;
	return 0;
}

/*
 * A boot ago its pids, slot and cgroup were other objects than those of today: 1, 0, or -1 with err. A journal that names no
 * boot is an earlier version's: then the directories of this boot tell. A keeper knows its boot without a descriptor.
 */
static int teardown_same_boot(const struct teardown *t, struct err *err)
{
	const char *known = t->keeper ? t->keeper->status.boot_id : "";
	struct deadline_now now;
	char path[PATHS_SIZE];

	if (t->boot[0] && known[0])
		return strcmp(t->boot, known) == 0;
	if (t->boot[0])
		return deadline_now(&now, err) < 0 ? -1 : strcmp(t->boot, now.boot_id) == 0;
	return t->has_slot ? 1 : paths_is_there(paths_run(t->host, t->id, NULL, path), err);
}

/* Nothing of an earlier boot's kernel is left; but what bears the id in its name can only be ours. */
static void teardown_forget_boot(struct teardown *t)
{
	t->other_boot = true;
	t->monitor_pid = 0;
	t->n_sockets = 0;
	t->cgroup_inode = 0;
	t->has_number = false;
	if (!strstr(t->cgroup, t->id))
		t->cgroup[0] = '\0';
}

/*
 * Where what is done will be told; -1: nowhere. A read-only disk, or one that has lost it, holds up no end. Anything else that
 * fails does: a journal without its lines about the end would be a wrong receipt for ever.
 */
static int teardown_open_journal(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];

	t->journal_fd = journal_open(t->host, t->id, false, err);
	if (t->journal_fd >= 0 || err->os_errno == EROFS)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	if (t->told) /* how it ended is said once */
		return 0;
	t->journal_fd = open(paths_receipt(t->host, t->id, path), O_WRONLY | O_APPEND | O_CLOEXEC);
	if (t->journal_fd < 0 && errno != ENOENT && errno != EROFS)
		return err_sys(err, "can't open %s", path);
	return 0;
}

int teardown_look(struct teardown *t, struct err *err)
{
	char path[PATHS_SIZE];
	int rc =
		journal_each(paths_sandbox(t->host, t->id, "journal", path), teardown_fact, t, err);

	if (rc < 0 && err->code == ERR_NOT_FOUND)
		rc = journal_each(paths_receipt(t->host, t->id, path), teardown_fact, t, err);
	if ((rc < 0 && err->code != ERR_NOT_FOUND) || teardown_look_slot(t, err) < 0)
		return -1;
	if (!t->name[0] && teardown_look_name(t, err) < 0)
		return -1;
	if (!t->cgroup[0] && teardown_look_cgroup(t, err) < 0)
		return -1;
	rc = teardown_same_boot(t, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		teardown_forget_boot(t);
	return t->later ? 0 : teardown_open_journal(t, err);
}
