/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_PROTO_LAUNCH_H
#define BASE_PROTO_LAUNCH_H

#include <assert.h>
#include <stdint.h>

/*
 * Keeper → monitor. The monitor is started with these descriptors at these numbers and nothing else; it closes all
 * others, and refuses to start when one that the record promises is missing or of the wrong type.
 * Descriptor 0, 1 and 2 are /dev/null.
 */
enum launch_fd {
	LAUNCH_FD_CHANNEL =
		3, /* AF_UNIX SOCK_SEQPACKET to the keeper; end of file: the keeper is dead, exit */
	LAUNCH_FD_KVM = 4,     /* /dev/kvm */
	LAUNCH_FD_KERNEL = 5,  /* ELF vmlinux, read-only */
	LAUNCH_FD_INITRD = 6,  /* initrd, read-only */
	LAUNCH_FD_CONSOLE = 7, /* memfd of console_ring_bytes: struct launch_ring, then the ring */
	LAUNCH_FD_URANDOM = 8, /* /dev/urandom: entropy without a getrandom call in the filter */
	LAUNCH_FD_TAP =
		9, /* /dev/net/tun bound to the tap (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR); only with LAUNCH_NET */
	LAUNCH_FD_DISK0 = 10, /* disks 0 … n_disks - 1 follow one another */
	LAUNCH_MAX_DISKS = 4,
	LAUNCH_FD_END = LAUNCH_FD_DISK0 + LAUNCH_MAX_DISKS,
};

#define LAUNCH_MAGIC	    0x4d464c52u /* "MFLR" */
#define LAUNCH_VERSION	    2u
#define LAUNCH_CMDLINE_SIZE 2048
#define LAUNCH_MAX_VCPUS    8
#define LAUNCH_DISK_ID_SIZE 20 /* VIRTIO_BLK_ID_BYTES */

/*
 * The channel carries one message per packet: struct launch_msg, then what its type says. The keeper sends the RECORD
 * first; the monitor answers READY (filters on, vCPUs about to run) or FAILED. Streams and END come later.
 */
enum launch_msg_type {
	LAUNCH_MSG_RECORD = 1, /* keeper → monitor: struct launch_record */
	LAUNCH_MSG_READY = 2,  /* monitor → keeper: the jail stands */
	LAUNCH_MSG_FAILED = 3, /* monitor → keeper: struct launch_text; the monitor exits */
	LAUNCH_MSG_CONNECT =
		4, /* keeper → monitor, with one fd (SOCK_STREAM): connect it to the guest's vsock port */
	LAUNCH_MSG_OFFER =
		5, /* keeper → monitor, with one fd: the guest's next connection to this host port gets it */
	LAUNCH_MSG_END = 6, /* monitor → keeper: struct launch_end; the monitor exits */
	LAUNCH_MSG_TRAP =
		7, /* monitor → keeper: struct launch_trap; a call that the filter doesn't know; it exits */
	/* keeper → monitor, with one fd (SOCK_STREAM): the console's other end, in place of an earlier one */
	LAUNCH_MSG_CONSOLE = 8,
	LAUNCH_MSG_CONSOLE_SIZE = 9, /* keeper → monitor: columns | rows << 16, told to the guest */
	LAUNCH_MSG_BALLOON = 10,     /* keeper → monitor: MiB that the guest shall give back */
};

struct launch_msg {
	uint32_t type; /* enum launch_msg_type */
	uint32_t arg;  /* CONNECT, OFFER: the vsock port; READY: enum jail_enter_flags; see above */
};

enum launch_flags {
	LAUNCH_NET = 1u << 0,
	LAUNCH_VSOCK = 1u << 1,
	LAUNCH_BALLOON = 1u << 2, /* deflate on OOM, free page reporting */
};

enum launch_disk_flags {
	LAUNCH_DISK_READ_ONLY = 1u << 0,
};

struct launch_disk {
	uint32_t flags;		      /* enum launch_disk_flags */
	char id[LAUNCH_DISK_ID_SIZE]; /* what the guest reads as the disk's serial; not terminated when full */
};

/* Token buckets: bandwidth and operations (frames, requests), each with a burst. */
enum launch_bucket {
	LAUNCH_BUCKET_NET_RX, /* what the guest receives */
	LAUNCH_BUCKET_NET_TX, /* what it sends */
	LAUNCH_BUCKET_DISK,   /* reads and writes of all disks together */
	LAUNCH_BUCKETS,
};

/* A rate of 0 is no limit; a burst of 0 is one second's worth. */
struct launch_rate {
	uint64_t bytes_per_s;
	uint64_t burst_bytes;
	uint64_t ops_per_s;
	uint64_t burst_ops;
};

struct launch_record {
	uint32_t magic;
	uint32_t version;
	uint32_t size;	       /* sizeof(struct launch_record) */
	uint32_t flags;	       /* enum launch_flags */
	uint64_t memory_bytes; /* multiple of 2 MiB, 16 MiB … 64 GiB */
	uint32_t n_vcpus;      /* 1 … LAUNCH_MAX_VCPUS */
	uint32_t n_disks;
	uint32_t
		console_ring_bytes; /* size of the memfd; the ring is what follows struct launch_ring */
	uint32_t guest_cid;	    /* 3 … */
	uint8_t mac[6];
	uint8_t pad[2];
	struct launch_disk disks[LAUNCH_MAX_DISKS];
	struct launch_rate rates[LAUNCH_BUCKETS];
	char cmdline
		[LAUNCH_CMDLINE_SIZE]; /* NUL-terminated; the monitor appends the virtio_mmio.device= words */
};

/* Head of the console memfd. The monitor is the only writer. written counts all bytes ever; the newest byte is at
 * (written - 1) % size of the ring. Read it twice to notice that the ring has moved on. */
struct launch_ring {
	uint64_t written;
	uint64_t size; /* bytes of the ring behind this head */
};

struct launch_text {
	char text[256]; /* NUL-terminated */
};

enum launch_end_reason {
	LAUNCH_END_RESET =
		1, /* triple fault or shutdown event: how our kernels end (reason came by the agent) */
	LAUNCH_END_HALTED = 2,	    /* all vCPUs halted with interrupts off */
	LAUNCH_END_KVM_ERROR = 3,   /* KVM_RUN failed or an exit that can't be handled */
	LAUNCH_END_KEEPER_LOST = 4, /* end of file on the channel (nobody reads it; for tests) */
};

struct launch_end {
	uint32_t reason; /* enum launch_end_reason */
	uint32_t detail; /* KVM exit reason or errno */
};

struct launch_trap {
	uint32_t syscall;
	uint32_t thread; /* enum seccomp thread kind, see jail/ */
};

static_assert(sizeof(struct launch_msg) == 8, "ABI");
static_assert(sizeof(struct launch_disk) == 24, "ABI");
static_assert(sizeof(struct launch_record) == 48 + 4 * 24 + 3 * 32 + LAUNCH_CMDLINE_SIZE, "ABI");
static_assert(sizeof(struct launch_ring) == 16, "ABI");

#endif
