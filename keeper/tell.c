/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/tell.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/date.h"
#include "keeper/hook.h"
#include "keeper/keeper.h"
#include "keeper/teardown.h"
#include "store/deadline.h"
#include "store/labels.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"

#define TELL_SIZE 32768 /* a spec's texts six times over, if each letter were escaped */

/* Of one event; pointers to texts may be NULL. */
struct tell_event {
	const char *event, *id, *name, *owner, *reason, *labels;
	int64_t ends_s, left_s, before_s; /* 0: doesn't apply, unknown; left_s: -1 */
	const char *by, *why;		  /* renewed */
	const char *end, *text;		  /* ended */
	int64_t kept_until_s;
	bool kept; /* ended: disk and name are there until the date */
};

static void tell_labels(struct emit *e, const char *labels)
{
	struct label label;

	emit_open(e, "labels");
	for (const char *at = labels ? labels : ""; (at = labels_next(at, &label));)
		emit_text(e, label.key, label.value);
	emit_close(e);
}

static size_t tell_json(const struct tell_event *event, char *buf, size_t size)
{
	struct emit e;

	emit_begin(&e, buf, size);
	emit_text(&e, "event", event->event);
	emit_instant(&e, "time", time(NULL));
	emit_text(&e, "id", event->id);
	emit_text(&e, "name", event->name);
	emit_text(&e, "owner", event->owner);
	emit_text(&e, "reason", event->reason);
	tell_labels(&e, event->labels);
	if (event->ends_s)
		emit_instant(&e, "ends", event->ends_s);
	else
		emit_null(&e, "ends");
	if (event->left_s >= 0)
		emit_number(&e, "left_s", event->left_s);
	else
		emit_null(&e, "left_s");
	if (event->before_s)
		emit_number(&e, "before_s", event->before_s);
	else
		emit_null(&e, "before_s");
	emit_text(&e, "by", event->by);
	emit_text(&e, "why", event->why);
	emit_text(&e, "end", event->end);
	emit_text(&e, "text", event->text);
	if (event->end)
		emit_bool(&e, "kept", event->kept);
	else
		emit_null(&e, "kept");
	if (event->kept && event->kept_until_s)
		emit_instant(&e, "kept_until", event->kept_until_s);
	else
		emit_null(&e, "kept_until");
	return emit_end(&e);
}

/* k: who waits for it; NULL: nobody. */
static void tell(struct keeper *k, const struct host_config *host, const struct tell_event *event)
{
	static char buf[TELL_SIZE];
	size_t len = tell_json(event, buf, sizeof(buf));
	struct hook_call call = {
		.path = host->hook,
		.timeout_s = host->hook_timeout_s,
		.event = event->event,
		.name = event->name ? event->name : event->id,
	};
	struct err err = { 0 };
	int pidfd;

	if (k) {
		hook_keep(k, &call, buf, len);
		return;
	}
	pidfd = hook_start(&call, buf, len, &err);
	if (pidfd < 0)
		log_warning("%s: hook: %s: %s", call.name, call.event, err.text);
	else
		(void)close(pidfd);
}

static void tell_keeper(struct keeper *k, struct tell_event *event)
{
	if (!k->spec.host.hook[0])
		return;
	event->id = k->spec.id;
	event->name = k->spec.name;
	event->owner = k->spec.owner;
	event->reason = k->spec.reason;
	event->labels = k->spec.labels;
	event->ends_s = k->deadline.deadline_s;
	tell(k, &k->spec.host, event);
}

void tell_notice(struct keeper *k, uint32_t before_s, uint64_t left_s)
{
	tell_keeper(k, &(struct tell_event){
			       .event = "notice",
			       .before_s = before_s,
			       .left_s = (int64_t)left_s,
		       });
}

void tell_rest(const struct spec *spec, int64_t deadline_s, uint32_t before_s, uint64_t left_s)
{
	tell(NULL, &spec->host,
	     &(struct tell_event){
		     .event = "notice",
		     .id = spec->id,
		     .name = spec->name,
		     .owner = spec->owner,
		     .reason = spec->reason,
		     .labels = spec->labels,
		     .ends_s = deadline_s,
		     .before_s = before_s,
		     .left_s = (int64_t)left_s,
	     });
}

void tell_renewed(struct keeper *k, const char *who, const char *why)
{
	tell_keeper(k, &(struct tell_event){
			       .event = "renewed",
			       .left_s = (int64_t)date_left(k),
			       .by = who,
			       .why = why,
		       });
}

/* ---- the end ---- */

/* One that never ran has no end that anybody waits for; a start that failed changes nothing; a receipt's end was told. */
static bool tell_end_matters(const struct teardown *t)
{
	return t->host->hook[0] && !t->told && t->reason != END_CREATE_FAILED &&
	       (!t->keeper || t->keeper->live || t->depth == TEARDOWN_ALL);
}

static void tell_about(const struct spec *spec, struct tell_end *end)
{
	memcpy(end->about.owner, spec->owner, sizeof(end->about.owner));
	memcpy(end->about.reason, spec->reason, sizeof(end->about.reason));
	memcpy(end->about.labels, spec->labels, sizeof(end->about.labels));
}

void tell_end_begin(const struct teardown *t, struct tell_end *end)
{
	static struct spec spec; /* too large for a stack */
	struct deadline_record deadline;
	char path[PATHS_SIZE];
	struct err ignored;

	memset(end, 0, sizeof(*end));
	end->wanted = tell_end_matters(t);
	if (!end->wanted)
		return;
	if (t->keeper) {
		tell_about(&t->keeper->spec, end);
		end->deadline_s = t->keeper->deadline.deadline_s;
		return;
	}
	if (spec_read(paths_sandbox(t->host, t->id, "spec", path), &spec, &ignored) == 0)
		tell_about(&spec, end);
	explicit_bzero(&spec, sizeof(spec));
	if (deadline_read(t->host, t->id, &deadline, &ignored) == 0)
		end->deadline_s = deadline.deadline_s;
}

void tell_end(const struct teardown *t, const struct tell_end *end)
{
	if (!end->wanted)
		return;
	/* systemd ends with a unit what is left in it: that keeper waits (hook_finish) */
	tell(t->keeper && (t->keeper->spec.flags & SPEC_IN_UNIT) ? t->keeper : NULL, t->host,
	     &(struct tell_event){
		     .event = "ended",
		     .id = t->id,
		     .name = t->name[0] ? t->name : NULL,
		     .owner = end->about.owner[0] ? end->about.owner : NULL,
		     .reason = end->about.reason,
		     .labels = end->about.labels,
		     .ends_s = end->deadline_s,
		     .left_s = -1,
		     .end = status_reason_word(t->reason),
		     .text = t->text,
		     .kept = t->depth != TEARDOWN_ALL,
		     .kept_until_s =
			     t->depth == TEARDOWN_GRACE ? t->grace_until_s : end->deadline_s,
	     });
}
