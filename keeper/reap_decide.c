/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/reap_decide.h"

#include "base/proto/ctl.h"
#include "base/proto/spec.h"
#include "keeper/teardown.h"

static enum reap_act reap_decide_end(const struct reap_facts *f, uint32_t end)
{
	struct spec spec = { .flags = f->durable ? SPEC_DURABLE : 0, .disk_bytes = f->has_disk };

	switch (teardown_depth_for(&spec, end, f->due)) {
	case TEARDOWN_ALL:
		return REAP_ALL;
	case TEARDOWN_GRACE:
		return REAP_GRACE;
	default:
		return REAP_STOP;
	}
}

static enum reap_act reap_decide_known(const struct reap_facts *f, uint32_t *reason)
{
	if (f->held) {
		*reason = END_EXPIRED;
		if (!f->overdue)
			return REAP_LEAVE;
		return f->grace ? REAP_KILL_THEN_GRACE : REAP_KILL_THEN_ALL;
	}
	*reason = f->ran ? END_KEEPER_LOST : END_CREATE_FAILED;
	/* after a change of version, or a disk's mistake: until its date nobody's disk is thrown away for that */
	if (f->unread && !f->here && !(f->expired && f->due))
		return REAP_LEAVE;
	/* nor for what is still to be cleared away of its last run */
	if (f->unread && f->durable && f->end && !(f->expired && f->due)) {
		*reason = f->end;
		return reap_decide_end(f, f->end);
	}
	if (f->unread && f->durable && f->ran && f->other_boot && !(f->expired && f->due)) {
		*reason = END_HOST_REBOOT;
		return REAP_STOP;
	}
	if (!f->has_spec) {
		/* what ended it was said before its spec went */
		if (f->end && !f->unread)
			*reason = f->end;
		else
			*reason = f->expired ? END_EXPIRED : f->end ? f->end : *reason;
		return REAP_ALL;
	}
	/* a keeper died on its way down, or something stayed; once its date has come there is nothing to stop any more */
	if ((f->here || f->left) && f->end &&
	    !(f->expired && f->due && reap_decide_end(f, f->end) == REAP_STOP)) {
		*reason = f->end;
		return reap_decide_end(f, f->end);
	}
	if (f->expired) {
		*reason = END_EXPIRED;
		if (reap_decide_end(f, END_EXPIRED) == REAP_ALL)
			return REAP_ALL;
		/* its date has come while it was stopped: said once; each minute of the grace is booked */
		return f->here || (f->grace && f->end != END_EXPIRED) ? REAP_GRACE : REAP_BOOK;
	}
	if (f->here && !f->other_boot)
		return REAP_ALL;
	if (f->ran)
		*reason = END_HOST_REBOOT;
	if (!f->durable || !f->ran)
		return REAP_ALL;
	return f->here ? REAP_STOP : REAP_BOOK;
}

enum reap_act reap_decide(const struct reap_facts *f, uint32_t *reason)
{
	enum reap_act act = reap_decide_known(f, reason);

	/* by what is half known nothing is written, and nothing ended before its date; without a spec not before its grace is over */
	if (f->half && !f->held && (act == REAP_BOOK || !f->expired || !(f->has_spec || f->due)))
		return REAP_LEAVE;
	return act;
}
