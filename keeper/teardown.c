/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Rows are executed from top to bottom: access first (keys, ports, network), then what runs, then what it ran on, files, the
 * name, the slot last (until then nobody else gets this uid, these addresses, this mark). After each the kernel is asked
 * again. When an object can't be made absent, the files and whatever comes behind stay too: name and journal still lead to
 * it, name and slot are quarantined, and the next reap tries again.
 */
#include "keeper/teardown.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/fd.h"
#include "keeper/inject.h"
#include "keeper/keeper.h"
#include "keeper/tell.h"
#include "keeper/undo.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"

#define TEARDOWN_LOOKS	  3
#define TEARDOWN_AGAIN_MS 100

struct row {
	const char *kind; /* as in the journal */
	int (*undo)(struct teardown *t, struct err *err);
	int (*absent)(struct teardown *t, struct err *err);
	const char *look;	  /* what `absent` asks, for the receipt */
	enum teardown_depth from; /* TEARDOWN_STOP: always; the others: from that depth on */
	bool files;		  /* only when no kernel object was left */
};

static const struct row teardown_rows[] = {
	{ "keys", undo_keys, undo_keys_absent, "lstat", TEARDOWN_GRACE, false },
	{ "ports", undo_ports, undo_ports_absent, "proc-net", TEARDOWN_STOP, false },
	{ "socket", undo_socket, undo_socket_absent, "lstat", TEARDOWN_STOP, false },
	/* without its rules the gate lets nothing of the tap's through: the network is cut before the guest ends */
	{ "table", undo_table, undo_table_absent, "nf_tables", TEARDOWN_STOP, false },
	{ "monitor", undo_monitor, undo_monitor_absent, "proc", TEARDOWN_STOP, false },
	{ "tap", undo_tap, undo_tap_absent, "rtnetlink", TEARDOWN_STOP, false },
	{ "flows", undo_flows, undo_flows_absent, "ctnetlink", TEARDOWN_STOP, false },
	{ "cgroup", undo_cgroup, undo_cgroup_absent, "stat", TEARDOWN_STOP, false },
	{ "console", undo_console, undo_console_absent, "lstat", TEARDOWN_STOP, true },
	{ "disk", undo_disk, undo_disk_absent, "lstat", TEARDOWN_ALL, true },
	{ "spool", undo_spool, undo_spool_absent, "lstat", TEARDOWN_ALL, true },
	{ "state", undo_state, undo_state_absent, "lstat", TEARDOWN_ALL, true },
	{ "run", undo_run, undo_run_absent, "lstat", TEARDOWN_STOP, true },
	/* behind all that it could lead to: as long as something is left nobody else gets the name */
	{ "name", undo_name, undo_name_absent, "readlink", TEARDOWN_ALL, true },
	{ "slot", undo_slot, undo_slot_absent, "read", TEARDOWN_STOP, true },
};

unsigned teardown_steps(void)
{
	return ARRAY_SIZE(teardown_rows);
}

const char *teardown_step_name(unsigned step)
{
	return teardown_rows[step].kind;
}

unsigned teardown_bit(const char *kind, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(teardown_rows); i++)
		if (strlen(teardown_rows[i].kind) == len &&
		    strncmp(teardown_rows[i].kind, kind, len) == 0)
			return 1u << i;
	return 0;
}

enum teardown_depth teardown_depth_for(const struct spec *spec, uint32_t reason, bool due)
{
	if (!(spec->flags & SPEC_DURABLE))
		return TEARDOWN_ALL;
	switch (reason) {
	case END_DESTROYED:
	case END_CREATE_FAILED:
	case END_KEEPER_LOST:
		return TEARDOWN_ALL;
	case END_EXPIRED:
		return due || spec->disk_bytes == 0 ? TEARDOWN_ALL : TEARDOWN_GRACE;
	default:
		return TEARDOWN_STOP;
	}
}

/* ---- the run ---- */

/* A directory of which the spec has gone, or never came, is only to be removed. */
static void teardown_say_end(const struct teardown *t)
{
	char path[PATHS_SIZE];
	struct err ignored;

	if (paths_is_there(paths_sandbox(t->host, t->id, "spec", path), &ignored) != 0)
		(void)status_write_end(t->host, t->id, t->reason, t->text, &ignored);
}

/* From here on it is ending, also for one who finds it half undone. */
static void teardown_announce(struct teardown *t)
{
	char until[STR_INSTANT_SIZE];
	struct status_record status;
	struct err ignored;

	teardown_say_end(t);
	if (t->ended_told != t->reason)
		(void)journal_event(t->journal_fd, &ignored, "ended %s%s%s",
				    status_reason_word(t->reason), t->text && t->text[0] ? " " : "",
				    t->text ? t->text : "");
	if (t->ended_told != t->reason && t->depth == TEARDOWN_GRACE && t->grace_until_s)
		(void)journal_event(t->journal_fd, &ignored, "grace until=%s",
				    str_from_instant(t->grace_until_s, until, sizeof(until)));
	if (status_read(t->host, t->id, &status, &ignored) == 0) {
		status.phase = STATUS_ENDING;
		(void)status_write(t->host, t->id, &status, &ignored);
	}
}

/* The object's name as its intent had it. */
static const char *teardown_object(const struct teardown *t, const char *kind,
				   char buf[ID_NAME_SIZE])
{
	if (strcmp(kind, "name") == 0 && t->name[0])
		return t->name;
	if (strcmp(kind, "cgroup") == 0 && t->cgroup[0])
		return t->cgroup;
	if (strcmp(kind, "table") == 0) {
		id_table(t->id, buf);
		return buf;
	}
	if (strcmp(kind, "tap") == 0) {
		id_tap(t->id, buf);
		return buf;
	}
	return t->id;
}

static bool teardown_row(struct teardown *t, const struct row *row, struct err *err)
{
	unsigned bit = 1u << (row - teardown_rows);
	char name[ID_NAME_SIZE];
	struct err ignored;
	int absent;

	t->left = t->residue_told & bit;
	if (row->undo(t, err) < 0)
		return false;
	t->look = row->look;
	absent = row->absent(t, err);
	if (absent == 0)
		(void)err_set(err, ERR_RESIDUE, "%s is still there",
			      teardown_object(t, row->kind, name));
	if (absent == 1 && !(t->gone_told & bit) &&
	    row->undo != undo_slot) /* that one writes the receipt's last lines itself */
		(void)journal_gone(t->journal_fd, row->kind, teardown_object(t, row->kind, name),
				   t->look, &ignored);
	return absent == 1;
}

static void teardown_left(struct teardown *t, const struct row *row, struct err *first,
			  const struct err *err)
{
	struct err ignored;

	if (!(t->residue_told & 1u << (row - teardown_rows)))
		(void)journal_event(t->journal_fd, &ignored, "residue %s: %s", row->kind,
				    err->text);
	if (t->residue++ == 0) {
		*first = *err;
		(void)err_wrap(first, "%s", row->kind);
	}
}

/* What can't be read can't be undone by halves: all stays, for the next one to find, who must know how it ended. A host that
 * is short of something may have it again in a moment. */
static int teardown_look_patiently(struct teardown *t, struct err *err)
{
	const struct teardown before = *t;

	for (int i = 0; i < TEARDOWN_LOOKS; i++) {
		if (i > 0)
			(void)poll(NULL, 0, TEARDOWN_AGAIN_MS);
		*t = before;
		if (teardown_look(t, err) == 0)
			return 0;
		fd_close(&t->journal_fd);
	}
	teardown_say_end(t);
	return -1;
}

int teardown_run(struct teardown *t, struct err *err)
{
	static struct tell_end end;
	struct err first = { 0 };

	if (teardown_look_patiently(t, err) < 0) {
		err->code = ERR_RESIDUE;
		return -1;
	}
	tell_end_begin(t, &end);
	teardown_announce(t);
	for (unsigned i = 0; i < teardown_steps(); i++) {
		const struct row *row = &teardown_rows[i];

		inject_point(inject_teardown(i, 0));
		if (row->from <= t->depth && !(row->files && t->residue > 0) &&
		    !teardown_row(t, row, err))
			teardown_left(t, row, &first, err);
		inject_point(inject_teardown(i, 1));
	}
	fd_close(&t->journal_fd);
	if (t->residue == 0) {
		tell_end(t, &end);
		return 0;
	}
	*err = first;
	err->code = ERR_RESIDUE;
	return -1;
}

static void teardown_later(struct teardown *t, const struct host_config *host, const char *id)
{
	*t = (struct teardown){ .host = host, .journal_fd = -1, .later = true };
	memcpy(t->id, id, ID_SIZE);
}

/* Its date has come and its disk is kept: what is to stay until then is no residue. */
static bool teardown_in_grace(const struct host_config *host, const char *id)
{
	static struct store_entry entry; /* too large for a stack */
	struct err ignored;
	bool in_grace = entry_load(host, id, &entry, &ignored) == 0 && entry.state == STORE_GRACE;

	explicit_bzero(&entry, sizeof(entry));
	return in_grace;
}

int teardown_verify(const struct host_config *host, const char *id, const struct sink *sink,
		    struct err *err)
{
	bool in_grace = teardown_in_grace(host, id);
	struct teardown t;
	int left = 0;

	teardown_later(&t, host, id);
	if (teardown_look(&t, err) <
	    0) /* what to look for isn't known: "absent" would mean nothing */
		return err_wrap(err, "nothing can be said");
	for (unsigned i = 0; i < teardown_steps(); i++) {
		const struct row *row = &teardown_rows[i];
		struct err unseen = { 0 };
		int absent;

		t.look = row->look;
		absent = row->absent(&t, &unseen);
		if (absent == 0 && in_grace && row->from == TEARDOWN_ALL) {
			sink_put(sink, CTL_ITEM, 0, "%s: kept for its grace look=%s", row->kind,
				 t.look);
			continue;
		}
		if (absent >= 0)
			sink_put(sink, CTL_ITEM, absent ? 0 : ERR_RESIDUE, "%s: %s look=%s",
				 row->kind, absent ? "absent" : "there", t.look);
		else
			sink_put(sink, CTL_ITEM, ERR_FAILED, "%s: %s", row->kind, unseen.text);
		left += absent != 1;
	}
	fd_close(&t.journal_fd);
	return left;
}

/* Two rows wait: for processes that won't die, and for a cgroup that is in use. The others are tried in no time. */
bool teardown_stuck(const struct host_config *host, const char *id)
{
	struct err ignored;
	struct teardown t;

	teardown_later(&t, host, id);
	if (teardown_look(&t, &ignored) < 0)
		return false;
	if (t.residue_told & teardown_bit("monitor", strlen("monitor")) &&
	    undo_monitor_absent(&t, &ignored) != 1)
		return true;
	return t.residue_told & teardown_bit("cgroup", strlen("cgroup")) && undo_cgroup_busy(&t);
}
