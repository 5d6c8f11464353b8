/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_PROTO_GUEST_H
#define BASE_PROTO_GUEST_H

#include <assert.h>
#include <stdint.h>

/*
 * Host ↔ mayfly-init. Little-endian, fixed width. The host trusts nothing in it: a guest that owns its kernel speaks it.
 *
 * 1. GUEST_CONFIG_PATH in the initrd: struct guest_config, then its blobs.
 * 2. The control stream: mayfly-init connects to host (CID 2) port GUEST_PORT_CONTROL as soon as vsock is there.
 * 3. The exec service: the host connects to guest port GUEST_PORT_EXEC, one connection a command.
 * 4. ssh: the host connects to guest port GUEST_PORT_SSH; bytes go to an sshd -i.
 */
#define GUEST_PORT_CONTROL 1u
#define GUEST_PORT_EXEC	   2u
#define GUEST_PORT_SSH	   22u

#define GUEST_CONFIG_PATH  "mayfly.config" /* in the initrd's root */
#define GUEST_CONFIG_MAGIC 0x4d464743u	   /* "MFGC" */
#define GUEST_VERSION	   2u

/* Port of the one byte write that mayfly-init does first; the bench sees it as kvm:kvm_pio. Nothing answers there. */
#define GUEST_BENCH_PIO_PORT 0x3f5u

enum guest_config_flags {
	GUEST_HAS_IPV4 = 1u << 0,
	GUEST_HAS_IPV6 = 1u << 1,
	GUEST_HAS_DISK = 1u << 2, /* /dev/vdb, ext4: upper layer of the root overlay; else tmpfs */
};

struct guest_config {
	uint32_t magic;
	uint32_t version;
	uint32_t size;	/* of this struct; the blobs follow it in the order of the _len fields */
	uint32_t flags; /* enum guest_config_flags */
	int64_t deadline_s; /* seconds since the epoch; the guest closes by itself then */
	int64_t now_ns; /* host's real time when the record was made, for a first setting of the clock */
	char hostname[64];
	char account[48]; /* the project's account, uid 1000 */
	uint8_t ipv4[4];
	uint8_t ipv4_gateway[4];  /* the other address of the /31 */
	uint8_t ipv6[16];	  /* /128; default route via fe80::1 */
	uint8_t resolvers[3][16]; /* IPv6, or IPv4-mapped; all zero: none */
	uint32_t authorized_keys_len;
	uint32_t host_key_len;
	uint32_t reserved[2];
};

/* Control and exec streams: frames of struct guest_frame and len bytes. len <= GUEST_FRAME_MAX. */
#define GUEST_FRAME_MAX 65536u

struct guest_frame {
	uint32_t type; /* enum guest_frame_type */
	uint32_t len;
};

enum guest_frame_type {
	/* control, guest → host */
	GUEST_READY = 1, /* services listen: struct guest_ready */
	GUEST_END = 2,	 /* the guest is about to end: struct guest_end */
	/* control, host → guest */
	GUEST_SHUTDOWN = 16, /* end gracefully: struct guest_shutdown */
	GUEST_CLOCK = 17,    /* set the clock: struct guest_clock */
	GUEST_DEADLINE = 18, /* the date has moved: struct guest_deadline */
	GUEST_NOTICE = 19,   /* the date comes near: struct guest_notice */
	/* exec, host → guest */
	GUEST_EXEC_START = 32,	 /* struct guest_exec, then its texts */
	GUEST_EXEC_STDIN = 33,	 /* bytes; len 0: end of file */
	GUEST_EXEC_WINSIZE = 34, /* struct guest_winsize: the terminal's size has changed */
	GUEST_EXEC_SIGNAL = 35,	 /* struct guest_signal: for the command's process group */
	/* exec, guest → host */
	GUEST_EXEC_STDOUT = 48,
	GUEST_EXEC_STDERR = 49,
	GUEST_EXEC_EXIT = 50, /* struct guest_exit; last frame */
};

struct guest_ready {
	uint32_t version;
	uint32_t reserved;
};

enum guest_end_reason {
	GUEST_END_POWEROFF = 1,
	GUEST_END_REBOOT = 2,
	GUEST_END_HALT = 3,
	GUEST_END_SHUTDOWN = 4, /* the host asked */
	GUEST_END_DEADLINE = 5, /* the date came */
	GUEST_END_FAILED = 6,	/* mayfly-init couldn't go on: text */
};

struct guest_end {
	uint32_t reason; /* enum guest_end_reason */
	uint32_t reserved;
	char text[120]; /* NUL-terminated */
};

struct guest_shutdown {
	uint32_t timeout_s; /* how long processes get between SIGTERM and SIGKILL */
	uint32_t reserved;
};

struct guest_clock {
	int64_t now_ns; /* real time, since the epoch */
};

struct guest_deadline {
	int64_t deadline_s;
};

/* For everybody who is logged in; left_s is the host's word, whatever the guest's clock says. */
struct guest_notice {
	int64_t deadline_s;
	uint64_t left_s;
};

enum guest_exec_flags {
	/* on a pty of its own: all output is STDOUT, winsize holds at once */
	GUEST_EXEC_TTY = 1u << 0,
};

struct guest_winsize {
	uint16_t rows;
	uint16_t columns;
};

struct guest_signal {
	uint32_t signal; /* Linux's number */
};

struct guest_exec {
	uint32_t
		n_args; /* NUL-terminated texts behind this struct: user ("" is root), cwd ("" is home), args, envs */
	uint32_t n_envs;
	uint32_t flags; /* enum guest_exec_flags */
	struct guest_winsize winsize;
};

struct guest_exit {
	uint32_t code; /* exit code; 128 + n for signal n; 126, 127 as a shell says */
	uint32_t reserved;
};

static_assert(sizeof(struct guest_config) == 32 + 64 + 48 + 8 + 16 + 48 + 16, "ABI");
static_assert(sizeof(struct guest_frame) == 8, "ABI");
static_assert(sizeof(struct guest_end) == 128, "ABI");
static_assert(sizeof(struct guest_exec) == 16, "ABI");

#endif
