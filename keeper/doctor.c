/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/doctor.h"

#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/uids.h"
#include "keeper/hook.h"
#include "keeper/plan.h"
#include "store/entry.h"
#include "store/prepared.h"

#define HOST_UP	  "run `mayfly host up`"
#define CAUSE_MAX 100

enum doctor_level doctor_say(struct doctor_finding *f, enum doctor_level level, const char *mend,
			     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
	(void)str_copy(f->mend, sizeof(f->mend), level == DOCTOR_GOOD ? "" : mend);
	return level;
}

bool doctor_read(const char *path, char *text, size_t size)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n < 0 ? 0 : n] = '\0';
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return n >= 0;
}

long long doctor_number(const char *path)
{
	char text[32], *end;
	long long number;

	if (!doctor_read(path, text, sizeof(text)))
		return -1;
	number = strtoll(text, &end, 10);
	return end == text ? -1 : number;
}

/* An error's own mend is split off; else `mend` holds. */
static enum doctor_level say_err(struct doctor_finding *f, const struct err *err, const char *mend)
{
	const char *own = strstr(err->text, ERR_MEND);
	int len = own ? (int)(own - err->text) : (int)strlen(err->text);

	return doctor_say(f, DOCTOR_BAD, own ? own + strlen(ERR_MEND) : mend, "%.*s", len,
			  err->text);
}

static enum doctor_level check_config(const struct host_config *host, struct doctor_finding *f)
{
	struct err err;

	return plan_check(host, &err) == 0
		       ? doctor_say(f, DOCTOR_GOOD, "", "pools, marks and uids fit each other")
		       : say_err(f, &err, "correct it in the configuration");
}

static enum doctor_level check_prepared(const struct host_config *host, struct doctor_finding *f)
{
	struct err err;

	return prepared_check(host, &err) == 0
		       ? doctor_say(f, DOCTOR_GOOD, "", "`mayfly host up` has run in this boot")
		       : say_err(f, &err, HOST_UP);
}

static enum doctor_level check_group(const struct host_config *host, struct doctor_finding *f)
{
	return getgrnam(host->group)
		       ? doctor_say(f, DOCTOR_GOOD, "", "group %s exists", host->group)
		       : doctor_say(f, DOCTOR_BAD, HOST_UP, "group %s is missing", host->group);
}

static enum doctor_level check_uids(const struct host_config *host, struct doctor_finding *f)
{
	struct err err;

	return uids_check(host->uid_base, host->slot_count, &uids_host_files, &err) == 0
		       ? doctor_say(f, DOCTOR_GOOD, "", "the sandboxes' uids are nobody else's")
		       : say_err(f, &err, "set another uid range in the configuration");
}

static enum doctor_level check_hook(const struct host_config *host, struct doctor_finding *f)
{
	struct err err;

	if (!host->hook[0])
		return doctor_say(f, DOCTOR_GOOD, "", "no hook is configured");
	return hook_check(host->hook, &err) == 0
		       ? doctor_say(f, DOCTOR_GOOD, "", "the hook %.100s can be run", host->hook)
		       : say_err(f, &err, "put it there, or correct notices.hook");
}

struct quarantine {
	const struct host_config *host;
	unsigned n;
	char first[DOCTOR_TEXT_SIZE];
	struct err unread; /* why one may be missing among them */
};

static bool look_for_residue(const char *id, void *arg)
{
	static struct store_entry entry;
	struct quarantine *q = arg;
	struct err err;

	if (entry_load(q->host, id, &entry, &err) < 0) {
		if (err.code != ERR_NOT_FOUND) /* else it ended while we looked */
			q->unread = err;
	} else if (entry.state == STORE_QUARANTINED && q->n++ == 0) {
		(void)snprintf(q->first, sizeof(q->first), "%s (%.120s)",
			       entry.has_spec ? entry.spec.name : id, entry.residue);
	} else if (entry.unread.code != ERR_NONE) {
		q->unread = entry.unread;
	}
	explicit_bzero(&entry, sizeof(entry));
	return true;
}

static enum doctor_level check_quarantine(const struct host_config *host, struct doctor_finding *f)
{
	struct quarantine q = { .host = host };
	struct err err;

	if (entry_each(host, look_for_residue, &q, &err) < 0)
		q.unread = err;
	if (q.n == 0 && q.unread.code != ERR_NONE)
		return say_err(f, &q.unread, "see what keeps it from being read");
	return q.n == 0 ? doctor_say(f, DOCTOR_GOOD, "", "no sandbox's end has left anything")
			: doctor_say(f, DOCTOR_BAD,
				     "clear what holds it; the next `mayfly reap` frees name, uid "
				     "and address",
				     "%u sandboxes have ended and left something: %.150s", q.n,
				     q.first);
}

const struct doctor_row doctor_host_rows[] = {
	{ "configuration", check_config, false },
	{ "host", check_prepared, false },
	{ "group", check_group, false },
	{ "uids", check_uids, false },
	{ "hook", check_hook, true },
	{ "quarantine", check_quarantine, true },
	{ 0 },
};

static const struct doctor_row *const parts[] = { doctor_kernel_rows, doctor_host_rows,
						  doctor_net_rows, doctor_room_rows,
						  doctor_risk_rows };

static enum doctor_level run_row(const struct doctor_row *row, const struct host_config *host,
				 struct doctor_finding *f)
{
	*f = (struct doctor_finding){ 0 };
	if (row->only_root && geteuid() != 0)
		return doctor_say(f, DOCTOR_NOTE, "run it as root", "only root can look");
	return row->check(host, f);
}

static void put(const struct doctor_row *row, enum doctor_level level,
		const struct doctor_finding *f, const struct sink *sink)
{
	struct ctl_record record = {
		.type = level == DOCTOR_NOTE ? CTL_NOTE : CTL_ITEM,
		.code = level == DOCTOR_BAD ? ERR_FAILED : ERR_NONE,
	};

	(void)str_copy(record.name, sizeof(record.name), row->name);
	(void)snprintf(record.text, sizeof(record.text), "%s: %s%s%s", row->name, f->text,
		       level == DOCTOR_GOOD ? "" : ERR_MEND, f->mend);
	if (sink && sink->put)
		sink->put(sink->arg, &record);
}

int doctor_run(const struct host_config *host, const char *only, const struct sink *sink)
{
	struct doctor_finding f;
	int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (const struct doctor_row *row = parts[i]; row->name; row++) {
			enum doctor_level level;

			if (only && strcmp(only, row->name) != 0)
				continue;
			level = run_row(row, host, &f);
			put(row, level, &f, sink);
			bad += level == DOCTOR_BAD;
		}
	return bad;
}

void doctor_explain(const struct host_config *host, const char *words, const char *cause,
		    struct err *err)
{
	struct doctor_finding f;
	size_t len = cause ? strlen(cause) : 0;
	char brackets[128] = "";

	if (len > CAUSE_MAX) /* what the kernel said is at its end */
		(void)snprintf(brackets, sizeof(brackets), " (…%s)", cause + len - CAUSE_MAX);
	else if (cause)
		(void)snprintf(brackets, sizeof(brackets), " (%s)", cause);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (const struct doctor_row *row = parts[i]; row->name; row++)
			if (str_has_word(words, row->name) &&
			    run_row(row, host, &f) == DOCTOR_BAD) {
				(void)err_set(err, err->code, "%s%s" ERR_MEND "%s", f.text,
					      brackets, f.mend);
				return;
			}
}
