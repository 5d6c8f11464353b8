/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/config.h"
#include "cli/opt.h"

/*
 * What every verb gets: the command line's common part, and the configuration once cli_begin has
 * read it.
 */
struct cli {
	const struct verb *verb;
	const char *config_path; /* --config, or NULL */
	bool json;		 /* --format json */
	bool dry_run;		 /* --dry-run, of a verb that has it */
	struct config config;
};

enum verb_flags {
	VERB_ROOT = 1u << 0,	/* needs root */
	VERB_TABLE = 1u << 1,	/* has --format */
	VERB_HIDDEN = 1u << 2,	/* for programs: help doesn't list it */
	VERB_CHANGES = 1u << 3, /* changes sandboxes: what is due is ended first */
	VERB_ENDS = 1u << 4,	/* ends them: nothing of the ledger's comes in between */
};

struct verb {
	const char *name;
	const char *alias;	   /* or NULL */
	const char *usage;	   /* what follows the name */
	const char *summary;	   /* one line */
	const struct opt *options; /* ends with an empty entry; or NULL */
	unsigned flags;		   /* enum verb_flags */
	int failed_code; /* exit code for ERR_FAILED where 1 may be the guest's own; 0: 1 */
	/* argv[0] is the verb. The exit code, or -1 with err: main prints it. */
	int (*run)(struct cli *cli, int argc, char **argv, struct err *err);
};

/* All verbs, in the order in which help shows them; ends with an empty entry. */
extern const struct verb verbs[];

/* The verb of that name or alias, or NULL. */
const struct verb *verbs_find(const char *name);

/* ERR_USAGE for a word that is no verb, with the one that may have been meant. Returns -1. */
int verbs_unknown(const char *name, struct err *err);

/*
 * After a verb has read its options: load the configuration, and refuse without root what needs it; then what comes before
 * any command (cli/before.h). 0, or -1 with err.
 */
int cli_begin(struct cli *cli, struct err *err);

/* ERR_USAGE with a pointer to the verb's help. Returns -1. */
int cli_usage(const struct cli *cli, struct err *err, const char *what);

#endif
