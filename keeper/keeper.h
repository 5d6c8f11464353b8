/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proto/ctl.h"
#include "base/proto/guest.h"
#include "base/proto/launch.h"
#include "base/proto/spec.h"
#include "jail/cgroup.h"
#include "jail/spawn.h"
#include "keeper/control.h"
#include "keeper/hook.h"
#include "keeper/mke2fs.h"
#include "keeper/owner_table.h"
#include "keeper/ports.h"
#include "keeper/serve.h"
#include "store/store.h"

/*
 * One keeper, one sandbox, one thread. Bring-up fills this struct step by step; teardown does not need it (it works from
 * names and the kernel's state), but closes what it holds.
 */

#define KEEPER_IDENTITY_SIZE 320

/* Where the life of a sandbox is; life.c has the table of state × event. */
enum life_state {
	LIFE_LAUNCHING, /* the monitor prepares itself */
	LIFE_STARTING,	/* the monitor runs, the guest isn't ready */
	LIFE_RUNNING,
	LIFE_STOPPING, /* the guest was asked to end */
	LIFE_OVER,     /* what remains is teardown */
	LIFE_STATES,
};

struct life {
	enum life_state state;
	uint32_t reason;    /* enum end_reason, decided once; 0: not yet */
	char text[112];	    /* the reason in words */
	bool guest_ready;   /* the guest told that it is */
	uint32_t guest_end; /* enum guest_end_reason that the guest told; 0: none */
	char guest_text[64];
	uint32_t launch_end; /* enum launch_end_reason that the monitor told; 0: none */
	uint32_t launch_detail;
	bool trapped;	     /* the monitor told of a call that its filter doesn't know */
	bool due;	     /* an expiry that isn't only a jump of the clock, without a grace */
	uint32_t patience_s; /* how long a graceful stop may take */
};

struct keeper {
	struct spec spec;
	bool foreground;
	bool again;		/* it was stopped: its spec, disk, keys, name and date are there */
	uint32_t rest_end;	/* enum end_reason of its last run, then */
	bool live;		/* it has been READY */
	int progress_fd;	/* to the CLI that asked; -1 when it has gone */
	struct ctl_files files; /* what it handed over, with kernel_fd and image_fd */

	/* claimed */
	int lock_fd, slot_fd, journal_fd;
	char identity
		[KEEPER_IDENTITY_SIZE]; /* of what the step at hand has made, for its fact; "": it has none */
	uint32_t slot;
	struct slot_plan plan;
	struct deadline_record deadline;
	uint32_t told_s[SPEC_MAX_NOTICES]; /* notices of this date that were given; 0 ends */
	struct status_record status;

	/* made for the guest */
	char cgroup[CGROUP_PATH_SIZE]; /* "": none */
	int cgroup_fd;
	uint64_t oom_kills; /* before the start */
	int tap_fd;
	uint32_t tap_ifindex;
	struct owner_table table;
	struct ports *ports;  /* NULL: none published */
	struct mke2fs mke2fs; /* between the steps disk and format */
	int monitor_fd, kvm_fd, kernel_fd, initrd_fd, console_fd, urandom_fd, image_fd, disk_fd;

	/* running */
	struct jail_child child; /* pid 0: none */
	int channel_fd;
	struct control control;
	struct serve serve;
	struct hooks hooks;
	struct life life;
	int signal_fd, date_fd, elapsed_fd, patience_fd;
};

#define KEEPER_CGROUP "keepers" /* below CGROUP_PARENT; made by host up */

/* All descriptors -1, nothing claimed. */
void keeper_init(struct keeper *k);

struct keeper_options {
	const char *state_dir, *id;
	bool foreground; /* somebody waits for this process: don't detach */
	int files;	 /* inherited socket with struct ctl_files in it; -1: none */
	bool unit;	 /* this process is in a systemd unit of its own with Delegate=yes */
};

/*
 * The whole life of the sandbox: take its spec from the spool, or where none is there the one of a sandbox that was
 * stopped; bring it up, keep it, tear it down. Returns the exit code.
 */
int keeper_run(const struct keeper_options *options);

#endif
