/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_PROTO_SPEC_H
#define BASE_PROTO_SPEC_H

#include <assert.h>
#include <stdint.h>

#include "base/id.h"
#include "base/str.h"

/*
 * The spec: all that decides how a sandbox is made. The CLI resolves flags, configuration and defaults into it; the
 * keeper reads nothing else. It stays in the sandbox's state directory (mode 0600: it holds private keys).
 * All texts are NUL-terminated within their array; unused bytes are zero. Host byte order: it never leaves the host.
 */
#define SPEC_MAGIC   0x4d465350u /* "MFSP" */
#define SPEC_VERSION 2u

#define SPEC_PATH_SIZE	   256
#define SPEC_KEYS_SIZE	   16384
#define SPEC_MAX_RESOLVERS 3
#define SPEC_MAX_PORTS	   16
#define SPEC_LABELS_SIZE   2048
#define SPEC_PEOPLE_SIZE   16384
#define SPEC_REASON_SIZE   200
#define SPEC_DIGEST_SIZE   32
#define SPEC_MAX_EGRESS	   16
#define SPEC_MAX_NOTICES   8
#define SPEC_HOOK_MAX_S	   600

/* What all sandboxes of the host together may have ([policy] total_…); 0: as much as there is. store/totals.h counts. */
struct host_totals {
	uint32_t sandboxes;  /* those that have a name, running or not */
	uint32_t cpus;	     /* of those that run */
	uint32_t memory_mib; /* the same */
	uint32_t disk_mib;   /* of all */
};

/* What the site's configuration says about the host. `mayfly-keeper --host-up`, `--reap` … get this alone. */
struct host_config {
	char state_dir[SPEC_PATH_SIZE]; /* /var/lib/mayfly */
	char run_dir[SPEC_PATH_SIZE];	/* /run/mayfly */
	char monitor[SPEC_PATH_SIZE];	/* path of mayfly-vmm */
	char group[STR_NAME_MAX + 1];	/* may talk to control sockets; made by host up */
	uint8_t cgroup_required; /* 1: refuse to start without cgroup limits; 0: say so and go on */
	uint8_t ipv6;		 /* 1: sandboxes get an IPv6 address */
	uint8_t pad[1];
	uint32_t uid_base;
	uint32_t slot_count;	 /* uids uid_base … uid_base + slot_count - 1 */
	uint32_t pool4;		 /* network of the IPv4 pool, host byte order */
	uint32_t pool4_prefix;	 /* its length, 8 … 30 */
	uint8_t pool6[16];	 /* network of the IPv6 pool (a ULA), /64 */
	uint32_t mark_base;	 /* marks mark_base … mark_base + slot_count - 1 are ours */
	uint32_t mark_mask;	 /* (mark & mark_mask) == mark_base for all of them */
	uint32_t stop_timeout_s; /* how long a graceful stop may take before cgroup.kill */
	struct host_totals totals;
	uint32_t notices_s[SPEC_MAX_NOTICES]; /* before the date, each less than the last; 0 ends */
	uint32_t hook_timeout_s;	      /* 1 … SPEC_HOOK_MAX_S, where there is a hook */
	char hook[SPEC_PATH_SIZE];	      /* told of notices, renewals and ends; "": none */
};

enum spec_flags {
	SPEC_DURABLE =
		1u
		<< 0, /* keeps its disk when the guest ends, until the date; else it ends with its process */
	SPEC_NET = 1u << 1, /* has a tap */
	SPEC_IN_UNIT =
		1u << 2, /* the keeper runs in a systemd unit with Delegate=yes: use that cgroup */
	SPEC_RESTART = 1u << 3, /* start it again after a reboot of the host, before its date */
	SPEC_KERNEL_VOUCHED = 1u << 4, /* a digest beside the file said the same as ours */
	SPEC_IMAGE_VOUCHED = 1u << 5,
	/* it reaches what egress says and nothing else outside; without: all that the host lets it */
	SPEC_EGRESS_LIMITED = 1u << 6,
	SPEC_EGRESS_ASKED =
		1u << 7, /* by its own request; else by the site's policy, of each start */
};

enum spec_protocol {
	SPEC_TCP = 6, /* as in IPPROTO_TCP */
	SPEC_UDP = 17,
};

/* A published port: what reaches the host there is handed to the guest. */
struct spec_port {
	uint32_t protocol;   /* enum spec_protocol; 0 ends the list */
	uint16_t host_port;  /* host byte order, 1 … 65535 */
	uint16_t guest_port; /* the same */
	uint8_t address[16]; /* where the host listens: IPv6, or IPv4-mapped */
};

/* A network that a sandbox may send to. */
struct spec_egress {
	uint8_t address[16]; /* IPv6, or IPv4-mapped; no bit behind the prefix */
	uint8_t prefix;	     /* 0 … 128; 96 more than an IPv4 one's */
	uint8_t pad;
	uint16_t port; /* of TCP and UDP alone, host byte order; 0: everything */
};

/* A token bucket (launch.h carries the same). 0 in a rate: no limit; in a burst: one second's worth. */
struct spec_rate {
	uint64_t bytes_per_s;
	uint64_t burst_bytes;
	uint64_t ops_per_s;
	uint64_t burst_ops;
};

struct spec {
	uint32_t magic;
	uint32_t version;
	uint32_t size;	/* sizeof(struct spec) */
	uint32_t flags; /* enum spec_flags */
	struct host_config host;

	char id[ID_SIZE];
	char name[STR_NAME_MAX + 1];
	char owner[STR_NAME_MAX + 1]; /* who asked: login name */
	char hostname[STR_NAME_MAX + 1];
	char account[STR_NAME_MAX + 1]; /* the project's account in the guest */
	uint8_t pad[3];

	int64_t created_s;  /* seconds since the epoch */
	int64_t deadline_s; /* the one absolute date, decided here */
	uint64_t grace_s;   /* how long its disk is kept after that; 0: not at all */
	uint64_t memory_bytes;
	uint64_t disk_bytes; /* 0: changes live in the guest's tmpfs */
	uint32_t vcpus;
	uint32_t cpu_max_percent; /* 100 = one CPU; 0: vcpus × 100 */
	uint32_t cpu_weight;	  /* cgroup v2 cpu.weight, 1 … 10000; 0: the kernel's default */
	uint32_t wanted_slot;	  /* 1 + the slot that --address asks for; 0: any */
	/* the cgroup's io.max on the device that holds the disk; 0: no limit */
	uint64_t io_read_bytes_per_s, io_write_bytes_per_s, io_read_ops_per_s, io_write_ops_per_s;
	/* the monitor's own limits: what the guest receives, what it sends, and all its disks together */
	struct spec_rate net_rx_rate, net_tx_rate, disk_rate;
	struct spec_port ports[SPEC_MAX_PORTS];
	struct spec_egress egress[SPEC_MAX_EGRESS];
	uint32_t n_egress;
	uint32_t pad3;
	char reason[SPEC_REASON_SIZE]; /* why it is there, one line; "" */
	char labels[SPEC_LABELS_SIZE]; /* lines KEY=VALUE, sorted by key; "" */

	char kernel[SPEC_PATH_SIZE];		/* uncompressed ELF vmlinux */
	char initrd[SPEC_PATH_SIZE];		/* cpio with mayfly-init as /init */
	char image[SPEC_PATH_SIZE];		/* read-only base image (erofs) */
	char cmdline[512];			/* words added to the kernel's command line */
	char resolvers[SPEC_MAX_RESOLVERS][46]; /* textual addresses; "" ends the list */
	uint8_t pad2[6];
	/* what the CLI found in the files it hands over; zero: unknown */
	uint8_t kernel_sha256[SPEC_DIGEST_SIZE];
	uint8_t image_sha256[SPEC_DIGEST_SIZE];

	char authorized_keys[SPEC_KEYS_SIZE]; /* lines of authorized_keys(5) for the account */
	/* lines "FINGERPRINT PERSON" of these keys, for the journal; PERSON may be empty */
	char people[SPEC_PEOPLE_SIZE];
	char host_key[2048];	   /* the guest's ssh host key, private, PEM */
	char host_key_public[512]; /* "ecdsa-sha2-nistp256 AAAA…" */
	char host_key_sha256[64];  /* its fingerprint, "SHA256:…", for the journal */
	char client_key
		[2048]; /* private key made for `mayfly ssh`, PEM; "" when the user gave a key */
};

static_assert(sizeof(struct host_config) % 4 == 0, "no tail padding in host_config");

#endif
