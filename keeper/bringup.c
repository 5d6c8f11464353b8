/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/bringup.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "keeper/doctor.h"
#include "keeper/inject.h"
#include "keeper/keeper.h"
#include "keeper/mke2fs.h"
#include "keeper/progress.h"
#include "keeper/steps.h"
#include "store/journal.h"

struct step {
	const char *name; /* as progress shows it */
	int (*run)(struct keeper *k, struct err *err);
	const char *
		kind; /* of the object it makes, for the journal; NULL: makes none, or journals for itself */
	const char *(*object)(struct keeper *k); /* its name, known before it is made */
	uint32_t only;				 /* spec flags without which the step is skipped */
	/* done instead, without an intent, when a stopped sandbox starts again: the object is there, its fact journalled.
	 * NULL: it is made anew */
	int (*again)(struct keeper *k, struct err *err);
};

static const char *bringup_self(struct keeper *k)
{
	return k->spec.id;
}

static const char *bringup_name(struct keeper *k)
{
	return k->spec.name;
}

static const char *bringup_tap(struct keeper *k)
{
	static char name[IFNAMSIZ];

	id_tap(k->spec.id, name);
	return name;
}

static const char *bringup_table(struct keeper *k)
{
	static char name[ID_NAME_SIZE];

	id_table(k->spec.id, name);
	return name;
}

static const char *bringup_ports(struct keeper *k)
{
	return ports_count(k->spec.ports) > 0 ? k->spec.id : "";
}

/* Undone by the rows of teardown.c. */
static const struct step bringup_table_of_steps[] = {
	{ .name = "claim", .run = steps_claim },
	{ .name = "state", .run = steps_state, .again = steps_state_again },
	{ .name = "journal", .run = steps_journal, .again = steps_journal_again },
	{ .name = "name",
	  .run = steps_name,
	  .kind = "name",
	  .object = bringup_name,
	  .again = steps_name_again },
	{ .name = "deadline",
	  .run = steps_deadline,
	  .kind = "deadline",
	  .object = bringup_self,
	  .again = steps_deadline_again },
	{ .name = "slot", .run = steps_slot, .kind = "slot", .object = bringup_self },
	{ .name = "cgroup", .run = steps_cgroup, .kind = "cgroup", .object = steps_cgroup_path },
	{ .name = "disk",
	  .run = steps_disk,
	  .kind = "disk",
	  .object = bringup_self,
	  .again = steps_disk_again },
	{ .name = "tap", .run = steps_tap, .kind = "tap", .object = bringup_tap, .only = SPEC_NET },
	{ .name = "gate", .run = steps_gate, .only = SPEC_NET },
	{ .name = "table",
	  .run = steps_table,
	  .kind = "table",
	  .object = bringup_table,
	  .only = SPEC_NET },
	{ .name = "ports",
	  .run = steps_ports,
	  .kind = "ports",
	  .object = bringup_ports,
	  .only = SPEC_NET },
	{ .name = "keys",
	  .run = steps_keys,
	  .kind = "keys",
	  .object = bringup_self,
	  .again = steps_keys },
	{ .name = "console", .run = steps_console, .kind = "console", .object = bringup_self },
	{ .name = "open", .run = steps_open },
	{ .name = "initrd", .run = steps_initrd },
	{ .name = "format", .run = steps_format },
	{ .name = "io", .run = steps_io },
	{ .name = "monitor", .run = steps_monitor, .kind = "monitor", .object = bringup_self },
	{ .name = "launch", .run = steps_launch },
	{ .name = "serve", .run = steps_serve, .kind = "socket", .object = bringup_self },
	{ .name = "guest", .run = steps_guest },
	{ .name = "privileges", .run = steps_privileges },
	{ .name = "running", .run = steps_running },
};

/* What a step rests on: when it fails, these of doctor's checks may know why, and how to mend it. */
static const struct {
	const char *step, *checks;
} bringup_grounds[] = {
	{ "claim", "run-dir descriptors" },
	{ "state", "state-dir" },
	{ "journal", "state-dir" },
	{ "name", "state-dir" },
	{ "deadline", "state-dir" },
	{ "slot", "run-dir" },
	{ "cgroup", "cgroup" },
	{ "tap", "tap" },
	{ "table", "nftables" },
	{ "disk", "state-dir" },
	{ "keys", "state-dir" },
	{ "console", "run-dir" },
	{ "initrd", "run-dir" },
	{ "monitor", "namespaces processes" },
	{ "launch", "virtualisation seccomp" },
	{ "guest", "virtualisation" },
};

unsigned bringup_steps(void)
{
	return ARRAY_SIZE(bringup_table_of_steps);
}

const char *bringup_step_name(unsigned step)
{
	return bringup_table_of_steps[step].name;
}

/* Only for failures of no other kind: a name that is taken or a wrong file says it best itself. */
static void bringup_explain(const struct keeper *k, const char *step, struct err *err)
{
	struct err cause = *err;

	for (size_t i = 0; i < ARRAY_SIZE(bringup_grounds) && err->code == ERR_FAILED; i++)
		if (strcmp(bringup_grounds[i].step, step) == 0)
			doctor_explain(&k->spec.host, bringup_grounds[i].checks, cause.text, err);
}

static int bringup_step(struct keeper *k, unsigned i, struct err *err)
{
	const struct step *step = &bringup_table_of_steps[i];
	bool skip = (k->spec.flags & step->only) != step->only;
	bool there = k->again && step->again;

	inject_point(inject_bringup(i, 0));
	if (!skip && !there && step->kind && step->object(k)[0] &&
	    journal_intent(k->journal_fd, step->kind, step->object(k), err) < 0)
		return -1;
	inject_point(inject_bringup(i, 1));
	k->identity[0] = '\0';
	if (!skip && (there ? step->again : step->run)(k, err) < 0) {
		bringup_explain(k, step->name, err);
		return err_wrap(err, "%s", step->name);
	}
	inject_point(inject_bringup(i, 2));
	if (k->identity[0] &&
	    journal_fact(k->journal_fd, err, step->kind, step->object(k), "%s", k->identity) < 0)
		return -1;
	inject_point(inject_bringup(i, 3));
	return 0;
}

int bringup_run(struct keeper *k, struct err *err)
{
	for (unsigned i = 0; i < bringup_steps(); i++) {
		progress_tell(k, CTL_STEP, 0, bringup_table_of_steps[i].name);
		if (bringup_step(k, i, err) < 0) {
			mke2fs_stop(&k->mke2fs);
			return -1;
		}
	}
	return 0;
}
