/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"
#include "cli/handover.h"
#include "cli/life.h"
#include "cli/netopts.h"
#include "cli/opt.h"

/* What `create` and `run` ask for, as the command line says it, and how it becomes a spec. */

#define REQUEST_MAX_KEYS      16
#define REQUEST_TIMEOUT_MAX_S 86400

struct request_key {
	const char *path;
	const char *person; /* whose the keys in it are: their comment; NULL: the file's own */
};

struct request {
	const char *name;
	struct life life;
	const char *cpus, *memory, *disk, *owner, *reason, *hostname, *kernel, *image;
	const char *cpu_weight, *cpu_max, *io_read, *io_write, *net_rx, *net_tx, *disk_rate;
	const char *grace;
	const char *timeout;
	struct request_key keys[REQUEST_MAX_KEYS];
	unsigned n_keys;
	const char *person; /* of the keys that follow */
	bool person_waits;  /* none has followed yet */
	char labels[SPEC_LABELS_SIZE];
	struct netopts net;
	bool durable;
	bool no_restart; /* not after a reboot of the host */
	bool dry_run;	 /* look at everything, make nothing */
};

/* Option ids that create and run share; REQUEST_OPTIONS belongs into their tables. */
enum {
	REQUEST_TTL = OPT_LONG + 1,
	REQUEST_UNTIL,
	REQUEST_DISK,
	REQUEST_SSH_KEY,
	REQUEST_OWNER,
	REQUEST_HOSTNAME,
	REQUEST_KERNEL,
	REQUEST_IMAGE,
	REQUEST_PERSON,
	REQUEST_LABEL,
	REQUEST_REASON,
	REQUEST_CPU_WEIGHT,
	REQUEST_CPU_MAX,
	REQUEST_IO_READ,
	REQUEST_IO_WRITE,
	REQUEST_NET_RX,
	REQUEST_NET_TX,
	REQUEST_DISK_RATE,
	REQUEST_TIMEOUT,
	REQUEST_DRY_RUN,
	REQUEST_GRACE,
};

#define REQUEST_OPTIONS                                                                            \
	{ REQUEST_TTL, "ttl", "DURATION", "life from now: 30m, 12h, 7d, 2w" },                     \
		{ REQUEST_UNTIL, "until", "DATE", "end: 2026-12-01 or 2026-12-01T17:00Z" },        \
		{ REQUEST_GRACE, "grace", "DURATION",                                              \
		  "keep its disk that long after its date; 0s: not at all" },                      \
		{ 'c', "cpus", "N", "CPUs: 1 to 8" },                                              \
		{ 'm', "memory", "SIZE", "memory: 512M, 2G" },                                     \
		{ REQUEST_DISK, "disk", "SIZE", "writable disk: 2G, 20G" },                        \
		{ REQUEST_SSH_KEY, "ssh-key", "FILE", "public key that may log in; repeatable" },  \
		{ REQUEST_PERSON, "person", "NAME",                                                \
		  "whose the keys of the --ssh-key after it are" },                                \
		{ REQUEST_OWNER, "owner", "NAME", "whose it is, instead of your login name" },     \
		{ REQUEST_REASON, "reason", "TEXT", "why; it is written down" },                   \
		{ REQUEST_LABEL, "label", "KEY=VALUE", "what ls can ask for; repeatable" },        \
		{ REQUEST_HOSTNAME, "hostname", "NAME", "host name inside, instead of NAME" },     \
		{ REQUEST_KERNEL, "kernel", "KERNEL",                                              \
		  "guest kernel: a name (`kernel ls`) or an ELF vmlinux" },                        \
		{ REQUEST_IMAGE, "image", "IMAGE",                                                 \
		  "base image: a name (`image ls`) or an erofs" },                                 \
		{ REQUEST_CPU_WEIGHT, "cpu-weight", "N",                                           \
		  "share of busy CPUs, 1 to 10000; the usual is 100" },                            \
		{ REQUEST_CPU_MAX, "cpu-max", "PERCENT",                                           \
		  "at most that much CPU time; 100 is one CPU" },                                  \
		{ REQUEST_IO_READ, "io-read", "RATE",                                              \
		  "the host's limit on its reads: 10M or 10M,ops=500" },                           \
		{ REQUEST_IO_WRITE, "io-write", "RATE", "the same on its writes" },                \
		{ REQUEST_NET_RX, "net-rx-rate", "RATE",                                           \
		  "what it may receive: 10M[,burst=64M][,ops=N][,burst-ops=N]" },                  \
		{ REQUEST_NET_TX, "net-tx-rate", "RATE", "what it may send, in the same words" },  \
		{ REQUEST_DISK_RATE, "disk-rate", "RATE",                                          \
		  "what it may read and write, in the same words" },                               \
		{ REQUEST_TIMEOUT, "timeout", "DURATION",                                          \
		  "give up when it is not ready by then (exit code 124)" },                        \
	{                                                                                          \
		REQUEST_DRY_RUN, "dry-run", NULL, "check and print everything, make nothing"       \
	}

/* Take one option of REQUEST_OPTIONS. 1: taken; 0: not one of these; -1 with err. */
int request_option(struct request *request, int id, const char *value, struct err *err);

/*
 * Resolve request, configuration and defaults into *spec, drawing id and keys; nothing on the host
 * is changed. *files gets the kernel and the image, open and checked. *by_default is set when the life is the site's. The caller wipes the spec: it holds
 * private keys. 0, or -1 with err.
 */
int request_resolve(const struct request *request, const struct config *config, int64_t now_s,
		    struct spec *spec, struct handover *files, bool *by_default, struct err *err);

/* --reason and its like: one line of at most size - 1 bytes. 0, or -1 with err (ERR_USAGE). */
int request_take_line(char *out, size_t size, const char *option, const char *value,
		      struct err *err);

/* --timeout; NULL leaves *seconds alone. 0, or -1 with err (ERR_USAGE). */
int request_take_timeout(uint32_t *seconds, const char *value, struct err *err);

/* --memory; NULL leaves *bytes alone. 0, or -1 with err (ERR_USAGE). */
int request_take_memory(uint64_t *bytes, const char *value, struct err *err);

/* --owner, likewise. */
int request_take_owner(char out[STR_NAME_MAX + 1], const char *value, struct err *err);

/* --cpus, likewise. */
int request_take_cpus(uint32_t *cpus, const char *value, struct err *err);

#endif
