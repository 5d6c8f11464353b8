/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_PROTO_CTL_H
#define BASE_PROTO_CTL_H

#include <assert.h>
#include <stdint.h>

#include "base/id.h"
#include "base/str.h"

/*
 * CLI ↔ keeper. Three ways, one record type for answers:
 * 1. progress: the CLI listens on RUN_DIR/progress/ID, SOCK_SEQPACKET (store/rendezvous.h), and then starts the
 *    keeper, which connects and sends records until CTL_READY or CTL_ERROR. Both sides check SO_PEERCRED (uid 0).
 * 2. control: RUN_DIR/ID/ctl.sock, SOCK_SEQPACKET, 0660 root:GROUP. One struct ctl_request a packet, answered by
 *    records, the last of which is CTL_OK or CTL_ERROR. CONNECT's CTL_OK carries one fd.
 * 3. the keeper as a tool (--reap, --verify, --host-up …): records on its stdout, one after the other.
 */
#define CTL_VERSION 2u

enum ctl_record_type {
	CTL_OK = 1,    /* done; text may hold one line for the user */
	CTL_ERROR = 2, /* code: enum err_code; text: the one line */
	CTL_STEP = 3,  /* bring-up reached the step named in text */
	CTL_READY = 4, /* the sandbox runs and is reachable */
	CTL_ITEM =
		5, /* one finding: text is what, id whose; code 0 is good news, else enum err_code */
	CTL_ENDED = 6, /* the sandbox has ended; code: enum end_reason; text: in words */
	CTL_NOTE = 7,  /* a finding that is neither good nor bad news: something to decide */
};

struct ctl_record {
	uint32_t type; /* enum ctl_record_type */
	uint32_t code;
	char id[ID_SIZE];
	char name[STR_NAME_MAX + 1];
	char text[512 - 8 - ID_SIZE - (STR_NAME_MAX + 1)];
};

enum ctl_request_type {
	CTL_RENEW = 1,	 /* deadline_s, who, reason */
	CTL_DESTROY = 2, /* force: no graceful stop; answered once everything is gone */
	CTL_CONNECT = 3, /* port: a stream to the guest's vsock port, as an fd */
	CTL_WAIT = 4,	 /* answered with CTL_ENDED when the sandbox ends */
	/* end the guest, keep what a durable sandbox keeps; force: now; timeout_s: patience, 0: the
	 * site's. Answered once it has ended */
	CTL_STOP = 5,
	/* attach: CTL_OK with one fd, a stream to the guest's console; who came before is detached */
	CTL_CONSOLE = 6,
	CTL_CONSOLE_SIZE = 7, /* port: columns | rows << 16 */
	CTL_BALLOON = 8,      /* port: MiB that the guest shall give back */
};

/*
 * CLI → keeper: one packet in a socket that the keeper inherits (--files FD), with two descriptors: kernel and image,
 * read-only. The digests are what the CLI found through them.
 */
struct ctl_files {
	uint32_t version; /* CTL_VERSION */
	uint32_t reserved;
	uint8_t kernel_sha256[32];
	uint8_t image_sha256[32];
};

struct ctl_request {
	uint32_t version; /* CTL_VERSION */
	uint32_t type;	  /* enum ctl_request_type */
	int64_t deadline_s;
	uint32_t port;
	uint32_t force;
	uint32_t timeout_s;
	char who[STR_NAME_MAX + 1];
	char reason[256 - 28 - (STR_NAME_MAX + 1)];
};

/* What a keeper answers (CTL_ERROR, ERR_USAGE) to a packet that isn't a request of its version. */
#define CTL_OTHER_VERSION "not a request of this version of mayfly"

/*
 * A keeper outlives the upgrade of its CLI. Version 1 knew RENEW to WAIT, and no timeout_s; a CLI that is told
 * CTL_OTHER_VERSION asks again in its words.
 */
struct ctl_request_v1 {
	uint32_t version; /* 1 */
	uint32_t type;
	int64_t deadline_s;
	uint32_t port;
	uint32_t force;
	char who[STR_NAME_MAX + 1];
	char reason[256 - 24 - (STR_NAME_MAX + 1)];
};

/* Why a sandbox ended; stored in the file `end` of its state directory as struct end_record, and told by CTL_ENDED. */
enum end_reason {
	END_DESTROYED = 1,
	END_EXPIRED = 2,
	END_GUEST_POWEROFF = 3,
	END_GUEST_REBOOT = 4,
	END_GUEST_HALT = 5,
	END_GUEST_PANIC = 6,
	END_OOM = 7,
	END_SECCOMP = 8,
	END_MONITOR_CRASH = 9,
	END_KEEPER_LOST = 10,
	END_HOST_REBOOT = 11,
	END_STOPPED =
		12, /* somebody stopped it (CTL_STOP, a signal to a keeper in the foreground) */
	END_CREATE_FAILED = 13,
	/* a durable one whose keeper got SIGTERM: the host goes down, or its unit is stopped */
	END_HOST_STOPPED = 14,
	END_REASONS,
};

static_assert(sizeof(struct ctl_record) == 512, "ABI");
static_assert(sizeof(struct ctl_request) == 256, "ABI");
static_assert(sizeof(struct ctl_request_v1) == 256, "ABI");
static_assert(sizeof(struct ctl_files) == 72, "ABI");

#endif
