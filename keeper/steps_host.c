/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <fcntl.h>
#include <netinet/in.h> /* in front of linux/netfilter.h, which gives way to it */
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "jail/cgroup.h"
#include "jail/proc.h"
#include "keeper/blockdev.h"
#include "keeper/doctor.h"
#include "keeper/gate.h"
#include "keeper/link.h"
#include "keeper/plan.h"
#include "keeper/portdiag.h"
#include "keeper/progress.h"
#include "keeper/ruleset.h"
#include "keeper/steps.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/totals.h"
#include "store/status.h"

/* ---- slot ---- */

/* Does the slot's file name this sandbox? */
static bool steps_slot_is_own(const struct keeper *k, uint32_t slot)
{
	char path[PATHS_SIZE], id[ID_SIZE] = "";
	struct err ignored;

	return fd_read_file(AT_FDCWD, paths_slot(&k->spec.host, slot, path), id, ID_LEN,
			    &ignored) == ID_LEN &&
	       strcmp(id, k->spec.id) == 0;
}

/* Lock slot and look whether it can be ours: 1 yes (k->slot_fd), 0 no, -1 with err. Under claim.lock. */
static int steps_try_slot(struct keeper *k, uint32_t slot, struct err *err)
{
	char path[PATHS_SIZE];
	struct slot_plan plan;
	struct stat st;
	auto_fd fd = -1;
	pid_t pid;
	int used;

	if (plan_for_slot(&k->spec.host, slot, &plan, err) < 0)
		return -1;
	fd = lock_take(paths_slot(&k->spec.host, slot, path), LOCK_TRY, err);
	if (fd < 0)
		return 0; /* another keeper has it */
	if (fstat(fd, &st) < 0)
		return err_sys(err, "can't look at %s", path);
	if (st.st_size > 0 && !(k->again && steps_slot_is_own(k, slot)))
		return 0; /* quarantined: what its last holder left isn't proven gone */
	used = proc_uid_in_use(plan.uid, &pid, err);
	if (used != 0) {
		(void)unlink(path);
		return used < 0 ? -1 : 0;
	}
	if (pwrite(fd, k->spec.id, ID_LEN, 0) != ID_LEN) {
		(void)err_sys(err, "can't write %s", path);
		(void)unlink(path);
		return -1;
	}
	k->slot_fd = fd_take(&fd);
	k->slot = slot;
	k->plan = plan;
	return 1;
}

/* The one slot that was asked for isn't to be had: who has it? */
static int steps_taken(const struct keeper *k, uint32_t slot, struct err *err)
{
	static struct spec holder;
	char path[PATHS_SIZE], id[ID_SIZE] = "", text[PLAN_ADDRESS_SIZE];
	struct slot_plan plan;
	struct err ignored;
	bool known;

	if (plan_for_slot(&k->spec.host, slot, &plan, err) < 0)
		return -1;
	(void)plan_ipv4_text(plan.guest_ipv4, text);
	known = fd_read_file(AT_FDCWD, paths_slot(&k->spec.host, slot, path), id, ID_LEN,
			     &ignored) == ID_LEN &&
		id_is_valid(id) &&
		spec_read(paths_sandbox(&k->spec.host, id, "spec", path), &holder, &ignored) == 0;
	(void)err_set(err, ERR_FAILED, "the address %s is taken%s%s: choose another, or none", text,
		      known ? " by sandbox " : "", known ? holder.name : "");
	explicit_bzero(&holder, sizeof(holder));
	return -1;
}

int steps_slot(struct keeper *k, struct err *err)
{
	char address[PLAN_ADDRESS_SIZE];
	auto_fd claim = lock_claims(&k->spec.host, err);
	uint32_t wanted = k->spec.wanted_slot, slot = wanted ? wanted - 1 : 0;
	uint32_t end = wanted ? wanted : k->spec.host.slot_count;
	/* who has a slot counts */
	int got = claim < 0 || totals_check(&k->spec, TOTALS_RUNNING, err) < 0 ? -1 : 0;

	/* one that a stop cut short left in its name, since the name must lead to one alone */
	for (uint32_t own = 0; k->again && got == 0 && own < k->spec.host.slot_count; own++)
		if (steps_slot_is_own(k, own))
			got = steps_try_slot(k, own, err);
	for (; got == 0 && slot < end; slot++)
		got = steps_try_slot(k, slot, err);
	if (got < 0)
		return -1;
	if (got == 0 && wanted)
		return steps_taken(k, wanted - 1, err);
	if (got == 0)
		return err_set(err, ERR_FAILED,
			       "all %u slots are in use or in quarantine; run: mayfly reap",
			       k->spec.host.slot_count);
	k->status.slot = k->slot;
	steps_identity(k, "number=%u uid=%u mark=0x%x address=%s", k->slot, k->plan.uid,
		       k->plan.mark, plan_ipv4_text(k->plan.guest_ipv4, address));
	return steps_identity_file(k, "", k->slot_fd, err);
}

/* ---- cgroup ---- */

/* No limits: refused where the site wants them, said where it doesn't. */
static int steps_no_limits(struct keeper *k, const char *why, struct err *err)
{
	char text[ERR_TEXT_MAX];

	if (k->spec.host.cgroup_required)
		return err_set(err, ERR_FAILED, "limits can't be enforced: %s", why);
	(void)snprintf(text, sizeof(text), "limits are not enforced: %.400s", why);
	log_warning("%s: %s", k->spec.name, text);
	progress_tell(k, CTL_STEP, ERR_FAILED, text);
	return journal_event(k->journal_fd, err, "%s", text);
}

/* In a unit the unit's own cgroup is divided; else it is ours below the parent that host up made. */
const char *steps_cgroup_path(struct keeper *k)
{
	char top[CGROUP_PATH_SIZE], leaf[ID_NAME_SIZE];
	struct err ignored;
	int n;

	if (k->cgroup[0])
		return k->cgroup;
	if (k->spec.flags & SPEC_IN_UNIT) {
		if (cgroup_own(top, &ignored) < 0)
			return "";
		n = snprintf(k->cgroup, sizeof(k->cgroup), "%s/vmm", top);
	} else {
		if (cgroup_find(top, &ignored) < 0)
			return "";
		id_cgroup(k->spec.id, leaf);
		n = snprintf(k->cgroup, sizeof(k->cgroup), "%s/%s/%s", top, CGROUP_PARENT, leaf);
	}
	if (n < 0 || (size_t)n >= sizeof(k->cgroup))
		k->cgroup[0] = '\0';
	return k->cgroup;
}

static int steps_cgroup_make(struct keeper *k, uint32_t *missing, struct err *err)
{
	const struct spec *spec = &k->spec;
	struct cgroup_limits limits = {
		.memory_bytes = cgroup_memory_max(spec->memory_bytes),
		.cpu_percent = spec->cpu_max_percent ? spec->cpu_max_percent : spec->vcpus * 100,
		.cpu_weight = spec->cpu_weight,
		.pids = cgroup_pids_max(spec->vcpus),
	};
	uint32_t ignored_missing;

	if (spec->flags & SPEC_IN_UNIT) {
		char unit[CGROUP_PATH_SIZE];

		(void)snprintf(unit, sizeof(unit), "%.*s",
			       (int)(strrchr(k->cgroup, '/') - k->cgroup), k->cgroup);
		if (cgroup_split(unit, &ignored_missing, err) < 0)
			return -1;
		(void)snprintf(k->status.keeper_cgroup, sizeof(k->status.keeper_cgroup),
			       "%.240s/keeper", unit);
	}
	if (cgroup_create(k->cgroup, err) < 0)
		return -1;
	k->cgroup_fd = cgroup_open(k->cgroup, err);
	if (k->cgroup_fd < 0 || cgroup_limit(k->cgroup, &limits, missing, err) < 0)
		return -1;
	(void)snprintf(k->status.cgroup, sizeof(k->status.cgroup), "%.255s", k->cgroup);
	(void)cgroup_oom_kills(k->cgroup, &k->oom_kills, err);
	return steps_identity_file(k, "", k->cgroup_fd, err);
}

int steps_io(struct keeper *k, struct err *err)
{
	const struct spec *spec = &k->spec;
	struct cgroup_io io = {
		.read_bytes_per_s = spec->io_read_bytes_per_s,
		.write_bytes_per_s = spec->io_write_bytes_per_s,
		.read_ops_per_s = spec->io_read_ops_per_s,
		.write_ops_per_s = spec->io_write_ops_per_s,
	};
	struct err cause;

	if (k->cgroup_fd < 0) /* what that means was said */
		return 0;
	if (!(io.read_bytes_per_s | io.write_bytes_per_s | io.read_ops_per_s | io.write_ops_per_s))
		return 0;
	if (blockdev_of(spec->host.state_dir, &io.major, &io.minor, &cause) == 0 &&
	    cgroup_limit_io(k->cgroup, &io, &cause) == 0)
		return 0;
	return steps_no_limits(k, cause.text, err);
}

int steps_cgroup(struct keeper *k, struct err *err)
{
	char names[64], why[128];
	uint32_t missing = 0;

	if (k->cgroup[0] == '\0')
		return steps_no_limits(k, "there is no cgroup v2 to use", err);
	if (steps_cgroup_make(k, &missing, err) < 0) {
		struct err cause = *err;

		fd_close(&k->cgroup_fd);
		return steps_no_limits(k, cause.text, err);
	}
	if (missing == 0)
		return 0;
	(void)snprintf(why, sizeof(why), "no controller for %s",
		       cgroup_names(missing, names, sizeof(names)));
	return steps_no_limits(k, why, err);
}

/* ---- network ---- */

int steps_tap(struct keeper *k, struct err *err)
{
	if (link_tap_open(k->spec.id, k->spec.name, &k->plan, k->spec.host.ipv6, &k->tap_fd,
			  &k->tap_ifindex, err) < 0)
		return -1;
	k->status.tap_ifindex = k->tap_ifindex;
	steps_identity(k, "ifindex=%u", k->tap_ifindex);
	return 0;
}

int steps_gate(struct keeper *k, struct err *err)
{
	int present = gate_present(&k->spec.host, err);
	struct err found = { .code = ERR_FAILED };

	if (present < 0)
		return -1;
	if (present == 0) {
		(void)err_set(err, ERR_FAILED, "the gate is not loaded");
		doctor_explain(&k->spec.host, "gate", NULL, err);
		return -1;
	}
	/* what nobody would see before the first program inside hangs */
	doctor_explain(&k->spec.host, "forwarding pools forward", NULL, &found);
	if (found.text[0]) {
		*err = found;
		return -1;
	}
	return 0;
}

int steps_table(struct keeper *k, struct err *err)
{
	struct ruleset_table made;
	const struct owner_egress egress = { (k->spec.flags & SPEC_EGRESS_LIMITED) != 0,
					     k->spec.n_egress, k->spec.egress };
	char name[ID_NAME_SIZE];

	if (owner_table_open(&k->table, k->spec.id, &k->plan, &k->spec.host, &egress, err) < 0)
		return -1;
	id_table(k->spec.id, name);
	if (ruleset_find(NFPROTO_NETDEV, name, &made, err) < 0)
		return -1;
	steps_identity(k, "family=netdev handle=%llu owner=%d", (unsigned long long)made.handle,
		       (int)getpid());
	return 0;
}

/* One fact each, beside the one of them all: where it listens, by which socket, and whereto. */
static int steps_port_facts(struct keeper *k, const char *sockets, struct err *err)
{
	char text[PORTDIAG_TEXT_SIZE];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < ports_count(k->spec.ports); i++) {
		const struct spec_port *port = &k->spec.ports[i];

		rc = journal_fact(k->journal_fd, err, "port", portdiag_text(port, text),
				  "socket=%.*s guest=%u", (int)strcspn(sockets, ","), sockets,
				  port->guest_port);
		sockets += strcspn(sockets, ",");
		sockets += *sockets == ',';
	}
	return rc;
}

int steps_ports(struct keeper *k, struct err *err)
{
	struct guestsock_to guest = {
		.ipv4 = k->plan.guest_ipv4,
		.has_ipv6 = k->spec.host.ipv6,
		.mark = k->plan.mark,
		.ifindex = k->tap_ifindex,
	};
	char sockets[PORTS_SOCKETS_SIZE];

	if (ports_count(k->spec.ports) == 0)
		return 0;
	memcpy(guest.ipv6, k->plan.guest_ipv6, sizeof(guest.ipv6));
	if (ports_open(&k->ports, k->spec.ports, &guest, &k->spec.host, err) < 0)
		return -1;
	steps_identity(k, "sockets=%s", ports_sockets(k->ports, sockets));
	return steps_port_facts(k, sockets, err);
}
