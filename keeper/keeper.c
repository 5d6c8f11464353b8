/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/keeper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/deaths.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/bringup.h"
#include "keeper/date.h"
#include "keeper/files.h"
#include "keeper/life.h"
#include "keeper/privileges.h"
#include "keeper/progress.h"
#include "keeper/teardown.h"
#include "store/paths.h"
#include "store/rendezvous.h"
#include "store/spec.h"
#include "store/status.h"

#define KEEPER_FDS 128

void keeper_init(struct keeper *k)
{
	int *const fds[] = {
		&k->progress_fd, &k->lock_fd,	 &k->slot_fd,	 &k->journal_fd,  &k->cgroup_fd,
		&k->tap_fd,	 &k->monitor_fd, &k->kvm_fd,	 &k->kernel_fd,	  &k->initrd_fd,
		&k->console_fd,	 &k->urandom_fd, &k->image_fd,	 &k->disk_fd,	  &k->channel_fd,
		&k->signal_fd,	 &k->date_fd,	 &k->elapsed_fd, &k->patience_fd,
	};

	memset(k, 0, sizeof(*k));
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		*fds[i] = -1;
	k->child.pidfd = -1;
	k->control.fd = -1;
	serve_init(&k->serve);
	hook_init(&k->hooks);
}

/* Out of the cgroup of whoever created the sandbox: the end of a login must not be the end of its sandboxes. */
static void keeper_leave_cgroup(struct keeper *k)
{
	char top[CGROUP_PATH_SIZE], path[CGROUP_PATH_SIZE + 64], pid[16];
	struct err err;
	auto_fd fd = -1;
	int n = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	if (cgroup_find(top, &err) < 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s/%s/cgroup.procs", top, CGROUP_PARENT,
		       KEEPER_CGROUP);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, pid, (size_t)n) < 0) {
		progress_tell(k, CTL_STEP, ERR_FAILED,
			      "the keeper stays in its creator's cgroup; run: mayfly host up");
		return;
	}
	(void)snprintf(k->status.keeper_cgroup, sizeof(k->status.keeper_cgroup), "%.200s/%s/%s",
		       top, CGROUP_PARENT, KEEPER_CGROUP);
}

/* Of a new sandbox from the spool; of one that was stopped from where it is, to be read again under its lock. */
static int keeper_take_spec(struct keeper *k, const struct keeper_options *options, struct err *err)
{
	struct host_config where = { 0 };
	char path[PATHS_SIZE];

	if (!id_is_valid(options->id))
		return err_set(err, ERR_USAGE, "\"%.40s\" is not an id", options->id);
	if (!str_copy(where.state_dir, sizeof(where.state_dir), options->state_dir))
		return err_set(err, ERR_USAGE, "--state-dir: too long");
	if (spec_read(paths_spool(&where, options->id, path), &k->spec, err) < 0) {
		if (err->code != ERR_NOT_FOUND ||
		    access(paths_sandbox(&where, options->id, NULL, path), F_OK) < 0 ||
		    spec_read(paths_sandbox(&where, options->id, "spec", path), &k->spec, err) < 0)
			return -1;
		k->again = true;
	}
	if (strcmp(k->spec.id, options->id) != 0 ||
	    strcmp(k->spec.host.state_dir, options->state_dir) != 0)
		return err_set(err, ERR_USAGE,
			       "%s: the spec of another sandbox or another state directory", path);
	if (options->unit)
		k->spec.flags |= SPEC_IN_UNIT;
	else if (k->again)
		k->spec.flags &= ~(uint32_t)SPEC_IN_UNIT;
	return 0;
}

/* How it ends when bring-up fails: a create leaves nothing; a start what was there before, the reason included, unless
 * the date came or somebody ended it meanwhile. */
static void keeper_failed(struct keeper *k)
{
	if (!k->again) {
		k->life.reason = END_CREATE_FAILED;
		return;
	}
	if (k->life.reason != END_EXPIRED && k->life.reason != END_DESTROYED &&
	    k->life.reason != END_STOPPED)
		k->life.reason = k->rest_end;
}

static int keeper_teardown(struct keeper *k, const struct err *cause, struct err *err)
{
	struct teardown t = {
		.host = &k->spec.host,
		.keeper = k,
		.depth = teardown_depth_for(&k->spec, k->life.reason, k->life.due),
		.reason = k->life.reason,
		.text = cause ? cause->text : k->life.text,
		.grace_until_s = date_grace_until(k),
		.journal_fd = -1,
	};

	if (cause && !k->again)
		t.depth = TEARDOWN_ALL;
	if (t.depth != TEARDOWN_ALL)
		date_book(k);
	memcpy(t.id, k->spec.id, ID_SIZE);
	/* teardown opens its own: behind a receipt's last line nothing of ours may come */
	fd_close(&k->journal_fd);
	return teardown_run(&t, err);
}

static int keeper_live(struct keeper *k)
{
	struct err cause = { 0 }, residue = { 0 };
	int rc, torn;

	deaths_role("keeper");
	k->life.patience_s = k->spec.host.stop_timeout_s;
	rc = life_open(k, &cause);
	if (rc == 0)
		rc = bringup_run(k, &cause);
	if (rc == 0)
		life_stay(k, LIFE_RUNNING, 0);
	if (rc == 0)
		life_stay(k, LIFE_STOPPING, k->life.patience_s * 1000);
	if (k->lock_fd < 0) {		     /* nothing is ours: somebody else has this id */
		log_error("%s", cause.text); /* first: who is told may end us */
		progress_tell(k, CTL_ERROR, (uint32_t)cause.code, cause.text);
		return cause.code;
	}
	if (rc < 0)
		keeper_failed(k);
	progress_notify(
		"STOPPING=1"); /* before anybody is told: a start that follows at once has to wait for the unit's end */
	torn = keeper_teardown(k, rc < 0 ? &cause : NULL, &residue);
	serve_finish(k, k->life.reason, rc < 0 ? cause.text : k->life.text,
		     torn < 0 ? &residue : NULL);
	if (torn < 0)
		log_error("%s: %s", k->spec.name, residue.text);
	if (rc < 0) {
		log_error("%s: %s", k->spec.name, cause.text);
		progress_tell(k, CTL_ERROR, (uint32_t)cause.code, cause.text);
		return cause.code;
	}
	log_info("%s: ended: %s%s%s", k->spec.name, status_reason_word(k->life.reason),
		 k->life.text[0] ? ": " : "", k->life.text);
	hook_finish(k);
	return torn < 0 ? ERR_RESIDUE : 0;
}

/* Enough descriptors for everything, or nothing is begun: without them nothing could be undone either. */
static int keeper_descriptors(const struct spec *spec, struct err *err)
{
	rlim_t needed = KEEPER_FDS + (ports_count(spec->ports) > 0 ? PORTS_FDS : 0);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(err, "can't read the limit of open files");
	if (limit.rlim_cur >= needed)
		return 0;
	limit.rlim_cur = needed;
	if (limit.rlim_max < needed)
		limit.rlim_max = needed;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(err, "a keeper needs %lu open files (ulimit -n)",
			       (unsigned long)needed);
	return 0;
}

int keeper_run(const struct keeper_options *options)
{
	static struct keeper k; /* too large for a stack */
	struct err err = { 0 };
	int rc;

	keeper_init(&k);
	k.foreground = options->foreground;
	rc = keeper_take_spec(&k, options, &err);
	/* where somebody waits is told by the spec */
	k.progress_fd = rc == 0 ? rendezvous_connect(&k.spec.host, k.spec.id) : -1;
	if (rc == 0)
		rc = keeper_descriptors(&k.spec, &err);
	if (rc == 0)
		rc = files_receive(&k, options->files, &err);
	if (rc == 0 && !k.foreground && !(k.spec.flags & SPEC_IN_UNIT)) {
		rc = privileges_detach(&err);
		if (rc == 0)
			keeper_leave_cgroup(&k);
	}
	if (rc < 0) {
		log_error("%s", err.text);
		progress_tell(&k, CTL_ERROR, (uint32_t)err.code, err.text);
		return err.code;
	}
	return keeper_live(&k);
}
