/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/id.h"
#include "base/proto/ctl.h"
#include "base/proto/spec.h"

/*
 * The files of sandboxes: what keeper and CLI both know. Truth is computed from held lock + boot id + process start
 * time; no file says "running".
 *
 * STATE_DIR/            0755 root; survives a reboot; names, sandboxes and receipts in it 0750 root:GROUP
 *   names/NAME          symlink to ../sandboxes/ID: symlink(2) is what makes a name unique
 *   spool/ID            spec written by the CLI, taken over by the keeper (rename to sandboxes/ID/spec)
 *   spool/NAME.name     symlink to ID, while the unit of that name is asked to make it
 *   sandboxes/ID/       0700 root
 *     spec              struct spec
 *     deadline          struct deadline_record
 *     journal           text lines, appended and fsynced
 *     disk              sparse file, only when the spec has a disk
 *     ssh-key           0600, only when mayfly made the key
 *     known_hosts       the guest's host key under the sandbox's name
 *     end               struct end_record: how the last run ended; goes once the next one is ready
 *   receipts/ID         the journal of a sandbox that is gone, all that is kept of it
 *   clock               struct clock_record: high-water mark of real time
 * RUN_DIR/              0750 root:GROUP; tmpfs, gone after a reboot
 *   ID/                 0750 root:GROUP: lock (OFD lock held by the keeper), status, ctl.sock, console, its marks
 *   slots/N             OFD-locked by the keeper that has slot N; holds the id of who had it, and is only removed (under
 *                       claim.lock) when that is known gone
 *   progress/           0700 root
 *     ID                socket of the CLI that waits for the keeper of ID (store/rendezvous.h)
 *   claim.lock          held while an id or a slot is taken
 *   reap.lock           held by a reap
 *   flows.look, uids.look  the latest look that sandboxes shared which ended at once (keeper/look.h)
 *   digests             what kernels and images hashed to in this boot (cli/digest.h)
 */

struct deadline_record {
	uint32_t magic; /* "MFDL" */
	uint32_t version;
	int64_t deadline_s;   /* absolute, UTC */
	int64_t granted_at_s; /* real time when it was set (created or renewed) */
	uint64_t granted_s;   /* life granted then: the second bound, in elapsed seconds */
	uint64_t elapsed_s;   /* elapsed since then, over all boots but the one named here */
	uint64_t
		boot_start_s; /* CLOCK_BOOTTIME reading, in this boot, from which elapsed time counts on */
	char boot_id[40];
	uint32_t renewals;
	uint32_t flags; /* enum deadline_flags */
};

enum deadline_flags {
	DEADLINE_MARK_AHEAD =
		1u
		<< 0, /* granted while the high-water mark was ahead of the clock: it doesn't count */
};

struct end_record {
	uint32_t magic;	 /* "MFEN" */
	uint32_t reason; /* enum end_reason */
	int64_t at_s;
	char text[112];
};

/* In RUN_DIR/ID/status; replaced whole. */
struct status_record {
	uint32_t magic; /* "MFST" */
	uint32_t version;
	char boot_id[40];
	int32_t keeper_pid;
	int32_t monitor_pid;
	uint64_t keeper_start; /* starttime of /proc/PID/stat: a reused pid has another */
	uint64_t monitor_start;
	uint32_t slot;
	uint32_t tap_ifindex;
	uint32_t phase; /* enum status_phase */
	/* what it runs with; its spec may have been changed since, for the next start */
	uint32_t vcpus, memory_mib;
	uint32_t reserved;
	int64_t ready_at_s;
	char cgroup[SPEC_PATH_SIZE]; /* absolute path of the monitor's cgroup, "" without one */
	char keeper_cgroup[SPEC_PATH_SIZE];
};

enum status_phase { STATUS_CREATING = 1, STATUS_RUNNING = 2, STATUS_ENDING = 3 };

/* What a look at the files and the lock says. */
enum store_state {
	STORE_CREATING, /* lock held, not yet ready */
	STORE_RUNNING,
	STORE_ENDING,
	STORE_STOPPED, /* durable, nothing runs, its date has not come */
	STORE_EXPIRED, /* nothing runs, its date has come: reap takes it */
	STORE_GRACE, /* the same, but its disk is kept for its grace: only a renewal brings it back */
	STORE_BROKEN, /* half made, or its keeper is lost: reap takes it */
	STORE_QUARANTINED, /* it has ended, but something of it could not be removed: name, uid, address stay taken */
};

struct store_entry {
	char id[ID_SIZE];
	enum store_state state;
	enum store_state at_rest; /* the same for who holds its lock, where nothing can run */
	bool has_spec, has_deadline, has_status, has_end;
	/* What first could not be read and may be there (code 0: nothing): all else still tells what it can, but nothing may be
	 * written over it, and no list or answer that leaves it out is whole. */
	struct err unread;
	bool unread_deadline; /* so `deadline` is the date that journal and spec tell */
	uint64_t over_s;      /* how long ago its date came, as far as that is sure */
	struct spec spec;
	struct deadline_record deadline;
	struct status_record status;
	struct end_record end;
	char residue[256]; /* what its last end could not clear: "KIND: why"; "": nothing */
};

#endif
