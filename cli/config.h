/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/egress.h"

/*
 * The site's configuration: /etc/mayfly/mayfly.toml or --config F. config.example.toml documents
 * every key.
 */
#define CONFIG_PATH "/etc/mayfly/mayfly.toml"

#define CONFIG_MEMORY_MIN  (16ULL << 20)
#define CONFIG_MEMORY_MAX  (64ULL << 30)
#define CONFIG_MEMORY_STEP (2ULL << 20) /* what the monitor can map */
#define CONFIG_DISK_MIN	   (64ULL << 20)
#define CONFIG_DISK_MAX	   (16ULL << 40)
#define CONFIG_DISK_STEP   (1ULL << 20)
#define CONFIG_CPUS_MAX	   8 /* vCPUs that the monitor runs */

/* A list of names, paths or digests of the configuration. */
#define POLICY_WORDS_MAX 16

struct policy_words {
	unsigned n;
	char words[POLICY_WORDS_MAX][SPEC_PATH_SIZE];
};

/* What cli/policy.h measures requests by; what all sandboxes together may have stands in host.totals. */
struct policy {
	uint32_t max_cpus, max_memory_mib, max_disk_mib; /* of one sandbox; 0: no limit */
	struct policy_words images, kernels;		 /* empty: any */
	struct policy_words users, groups;		 /* both empty: whoever is root */
	struct egress egress;
};

struct config {
	struct host_config host;
	struct policy policy;
	uint64_t default_ttl_s;
	uint64_t max_ttl_s;
	uint64_t grace_s; /* how long a disk is kept after the date; 0: not at all */
	uint64_t max_grace_s;
	uint64_t memory_bytes;
	uint64_t disk_bytes;
	uint32_t cpus;
	uint32_t cpu_weight; /* 0: the kernel's default */
	uint32_t cpu_max;    /* percent; 0: as many CPUs as it has */
	struct spec_rate io_read, io_write, net_rx, net_tx, disk_rate;
	char account[STR_NAME_MAX + 1];
	char keeper[SPEC_PATH_SIZE];
	char kernel[SPEC_PATH_SIZE];
	char initrd[SPEC_PATH_SIZE];
	char image[SPEC_PATH_SIZE];
	char resolvers[SPEC_MAX_RESOLVERS][46]; /* "" ends the list; empty: the host's own */
};

enum config_type {
	CONFIG_DURATION,  /* "7d": uint64_t seconds */
	CONFIG_SECONDS,	  /* "10s": uint32_t seconds */
	CONFIG_SIZE,	  /* "512M": uint64_t bytes, a multiple of step */
	CONFIG_PATH_TYPE, /* absolute path: char[SPEC_PATH_SIZE] */
	CONFIG_NAME,	  /* user or group name: char[STR_NAME_MAX + 1] */
	CONFIG_NUMBER,	  /* uint32_t */
	CONFIG_FLAG,	  /* true, false: uint8_t */
	CONFIG_REQUIRE,	  /* "require", "prefer": uint8_t, 1 for require */
	CONFIG_POOL4,	  /* "10.0.0.0/16": struct config.host.pool4 and pool4_prefix */
	CONFIG_POOL6,	  /* "fd…::/64": uint8_t[16] */
	CONFIG_ADDRESSES, /* ["192.0.2.1", "2001:db8::1"]: char[SPEC_MAX_RESOLVERS][46] */
	CONFIG_NOTICES,	  /* ["24h", "1h"]: uint32_t[SPEC_MAX_NOTICES], the longest first */
	CONFIG_HOOK,	  /* absolute path or "": char[SPEC_PATH_SIZE] */
	CONFIG_MIB,	  /* "2G", "none": uint32_t MiB, 0 for none */
	CONFIG_NAMES,	  /* ["ada", "bob"]: struct policy_words */
	CONFIG_FILES,	  /* ["default", "/path", "sha256:…"]: struct policy_words */
	CONFIG_EGRESS,	  /* "any", "none", ["192.0.2.0/24:443"]: struct egress */
	CONFIG_RATE,	  /* "10M,burst=64M", "none": struct spec_rate; max 0: without bursts */
	CONFIG_TYPES,
};

struct config_key {
	const char *section;
	const char *key;
	enum config_type type;
	const char *fallback;	  /* default of the types that are texts */
	uint32_t fallback_number; /* default of CONFIG_NUMBER and CONFIG_FLAG */
	uint64_t min, max, step;  /* in the unit that the value is stored in */
	size_t offset;		  /* in struct config */
	const char
		*beside; /* path from the CLI's directory, taken instead of the default if there */
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;

/*
 * All defaults. exe_dir: the directory of the CLI's executable, for a tree that was built and not
 * installed; or NULL.
 */
void config_defaults(struct config *config, const char *exe_dir);

/*
 * Read the text of a configuration over the defaults; `name` is what messages call it. seen, when
 * not NULL, is set to true for each of the config_n_keys keys that the text holds. 0, or -1 with
 * err (ERR_USAGE, "NAME:LINE:COLUMN: what").
 */
int config_parse(struct config *config, const char *name, const char *text, size_t len, bool *seen,
		 struct err *err);

/* Defaults, then the file at path; NULL: CONFIG_PATH, which may be absent. 0, or -1 with err. */
int config_load(struct config *config, const char *path, struct err *err);

#endif
