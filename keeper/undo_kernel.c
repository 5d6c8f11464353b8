/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "jail/cgroup.h"
#include "jail/proc.h"
#include "keeper/conntrack.h"
#include "keeper/keeper.h"
#include "keeper/link.h"
#include "keeper/look.h"
#include "keeper/portdiag.h"
#include "keeper/undo.h"
#include "store/paths.h"

#define UNDO_KILL_TRIES 500 /* of UNDO_PAUSE_NS: 5 s */
#define UNDO_PAUSE_NS	10000000L
#define UNDO_WAIT_MS	1000
#define UNDO_CGROUP_MS	5000
#define UNDO_TABLE_MS	1000
#define UNDO_LOOK_MS	20

/* Looks that aren't the one of the table */
#define UNDO_WAIT    "wait"    /* it was our child, and was waited for */
#define UNDO_BOOT    "boot"    /* it was of a boot that is over, and nothing of it outlives that */
#define UNDO_JOURNAL "journal" /* none was ever made */
#define UNDO_NOTHING "no-journal" /* nor can it be told whether one was */
#define UNDO_TAKEN                                                                                 \
	"slot-taken" /* uid and mark aren't its own any more: by these nothing can be told */

/* Why there is nothing to ask the kernel about. */
static const char *undo_no_look(const struct teardown *t)
{
	if (!t->heard)
		return UNDO_NOTHING;
	return t->other_boot ? UNDO_BOOT : UNDO_JOURNAL;
}

/*
 * A look at what has ended, by the uid or the mark of the slot that it had: true when that would tell of it alone. A slot
 * whose file is gone is nobody's; one that somebody takes while we look shows in a second call.
 */
static bool undo_slot_tells(struct teardown *t)
{
	char path[PATHS_SIZE];

	if (t->has_slot)
		return true;
	if (!t->has_number) {
		t->look = undo_no_look(t);
		return false;
	}
	if (t->later && access(paths_slot(t->host, t->number, path), F_OK) < 0)
		return true;
	t->look = UNDO_TAKEN;
	return false;
}

/* ---- published ports: sockets of the keeper's, gone with it ---- */

int undo_ports(struct teardown *t, struct err *err)
{
	(void)err;
	if (t->keeper)
		ports_close(&t->keeper->ports);
	return 0;
}

int undo_ports_absent(struct teardown *t, struct err *err)
{
	int any = portdiag_any(t->sockets, t->n_sockets, err);

	if (t->n_sockets == 0)
		t->look = undo_no_look(t);
	return any < 0 ? -1 : !any;
}

/* ---- the cgroup: ours when its inode is the recorded one, or none was recorded yet ---- */

static bool undo_cgroup_is_ours(const struct teardown *t)
{
	struct stat st;

	if (t->cgroup[0] == '\0' || stat(t->cgroup, &st) < 0)
		return false;
	return t->cgroup_inode == 0 || st.st_ino == t->cgroup_inode;
}

int undo_cgroup(struct teardown *t, struct err *err)
{
	if (t->keeper)
		fd_close(&t->keeper->cgroup_fd);
	return undo_cgroup_is_ours(t) ? cgroup_remove(t->cgroup, UNDO_CGROUP_MS, err) : 0;
}

/* A cgroup's directory has two links, and one more for each below it. */
bool undo_cgroup_busy(const struct teardown *t)
{
	struct err ignored;
	struct stat st;

	return undo_cgroup_is_ours(t) && stat(t->cgroup, &st) == 0 &&
	       (st.st_nlink > 2 || cgroup_wait_empty(t->cgroup, 0, &ignored) < 0);
}

int undo_cgroup_absent(struct teardown *t, struct err *err)
{
	struct stat st;

	if (t->cgroup[0] == '\0') {
		t->look = undo_no_look(t);
		return 1;
	}
	if (stat(t->cgroup, &st) < 0)
		return errno == ENOENT ? 1 : err_sys(err, "can't look at %s", t->cgroup);
	return t->cgroup_inode != 0 && st.st_ino != t->cgroup_inode; /* else it is ours */
}

/* ---- the monitor: its cgroup, its pid with its start time, its uid ---- */

static int undo_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void undo_signal(int pidfd)
{
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* The descriptor is opened before the check, so the check is about the process that the signal goes to. */
static void undo_kill_pid(pid_t pid, uint64_t start)
{
	auto_fd pidfd = pid > 0 ? undo_pidfd(pid) : -1;

	if (pidfd >= 0 && proc_is_alive(pid, start))
		undo_signal(pidfd);
}

/*
 * Kill one process of the slot's uid; 1 when there is none, 0 when there was, -1 with err. The second look is with the
 * pidfd in hand: the pid can't be another process's by then.
 */
static int undo_kill_uid(const struct host_config *host, uint32_t uid, struct err *err)
{
	pid_t pid = 0, again = 0;
	int used = look(host, LOOK_UIDS, uid, err);
	auto_fd pidfd = -1;

	if (used > 0)
		used = proc_uid_in_use(uid, &pid, err);
	if (used <= 0)
		return used < 0 ? -1 : 1;
	pidfd = undo_pidfd(pid);
	if (pidfd >= 0 && proc_uid_in_use(uid, &again, err) > 0 && again == pid)
		undo_signal(pidfd);
	return 0;
}

/*
 * Our own monitor has been waited for. It was the first process of its pid namespace, and the kernel lets that be waited for
 * only when it has ended all others there: no look at all processes is needed to know that none of its uid runs.
 */
static bool undo_waited(const struct teardown *t)
{
	return t->keeper && t->keeper->child.pidfd >= 0 && t->keeper->child.pid == 0;
}

static void undo_reap_child(struct teardown *t, int timeout_ms)
{
	struct keeper *k = t->keeper;
	struct pollfd dead = { .fd = k ? k->child.pidfd : -1, .events = POLLIN };
	siginfo_t info;

	if (k && k->child.pid > 0 && poll(&dead, 1, timeout_ms) > 0 &&
	    waitid(P_PIDFD, (id_t)k->child.pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid > 0)
		k->child.pid = 0;
}

int undo_monitor(struct teardown *t, struct err *err)
{
	const struct timespec pause = { .tv_nsec = UNDO_PAUSE_NS };

	for (int i = 0; i < UNDO_KILL_TRIES; i++) {
		int none, alive;

		if (undo_cgroup_is_ours(t) && cgroup_kill(t->cgroup, err) < 0)
			return -1;
		undo_kill_pid(t->monitor_pid, t->monitor_start);
		undo_reap_child(t, i == 0 ? UNDO_WAIT_MS : 0);
		if (undo_waited(t))
			break;
		/* each look at all processes costs: what was seen while killing isn't looked for again */
		none = t->has_slot ? undo_kill_uid(t->host, t->uid, err) : 1;
		if (none < 0)
			return -1;
		alive = none ? proc_alive(t->monitor_pid, t->monitor_start, err) : 1;
		if (alive < 0)
			return -1;
		if (!alive)
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (t->keeper) {
		fd_close(&t->keeper->channel_fd);
		control_close(&t->keeper->control);
	}
	return 0;
}

int undo_monitor_absent(struct teardown *t, struct err *err)
{
	int used = t->monitor_pid > 0 ? proc_alive(t->monitor_pid, t->monitor_start, err) : 0;

	if (used != 0)
		return used < 0 ? -1 : 0;
	if (undo_waited(t)) {
		t->look = UNDO_WAIT;
		return 1;
	}
	if (!undo_slot_tells(t))
		return 1;
	used = look(t->host, LOOK_UIDS, t->uid, err);
	if (used < 0)
		return -1;
	return !used || !undo_slot_tells(t);
}

/* ---- the network ---- */

int undo_tap(struct teardown *t, struct err *err)
{
	int absent;

	if (t->keeper)
		fd_close(&t->keeper->tap_fd);
	absent = link_tap_absent(t->id, err);
	if (absent != 0) /* somebody else's interface of that name is none */
		return absent < 0 ? -1 : 0;
	return link_tap_remove(t->id, err);
}

int undo_tap_absent(struct teardown *t, struct err *err)
{
	return link_tap_absent(t->id, err);
}

/* Deleted, and only where that did nothing closed with its socket: a close waits for the kernel, one behind the other. */
int undo_table(struct teardown *t, struct err *err)
{
	struct err ignored;

	(void)err;
	if (!t->keeper)
		return 0;
	owner_table_drop(&t->keeper->table, t->id);
	if (owner_table_absent(t->id, &ignored) != 1)
		owner_table_close(&t->keeper->table);
	return 0;
}

/* A keeper that was killed may have let go of its lock and not yet of its socket. */
int undo_table_absent(struct teardown *t, struct err *err)
{
	int absent = owner_table_absent(t->id, err);

	for (int waited_ms = 0; absent == 0 && !t->later && waited_ms < UNDO_TABLE_MS;
	     waited_ms += UNDO_LOOK_MS) {
		(void)poll(NULL, 0, UNDO_LOOK_MS);
		absent = owner_table_absent(t->id, err);
	}
	return absent;
}

/* Tap and rules are gone: nothing can get this mark any more, and a look that finds none is the last one needed. */
int undo_flows(struct teardown *t, struct err *err)
{
	int there;

	if (!t->has_slot || t->mark == 0)
		return 0;
	there = look(t->host, LOOK_FLOWS, t->mark, err);
	t->no_flows = there == 0 && t->residue == 0;
	if (there > 0)
		there = conntrack_flush(t->mark, err);
	return there < 0 ? -1 : 0;
}

int undo_flows_absent(struct teardown *t, struct err *err)
{
	int there;

	if (t->no_flows || !undo_slot_tells(t) || t->mark == 0)
		return 1;
	there = look(t->host, LOOK_FLOWS, t->mark, err);
	if (there < 0)
		return -1;
	return !there || !undo_slot_tells(t);
}
