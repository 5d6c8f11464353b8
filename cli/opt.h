/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>

#include "base/err.h"

struct cli;
struct verb;

/*
 * The one option parser: getopt_long over a verb's table, plus --config, --help and (where the verb
 * prints a table) --format. Options may stand before or after names, up to "--".
 */
struct opt {
	int id; /* the letter, or for an option without one OPT_LONG + n; 0 ends the table */
	const char *name;  /* long name */
	const char *value; /* what help calls its value; NULL: takes none */
	const char *help;
};

#define OPT_LONG 256

/* What every verb takes; ends with an empty entry. Does this one apply to verb? */
extern const struct opt opt_common[];
bool opt_applies(const struct verb *verb, const struct opt *opt);

struct opts {
	struct cli *cli; /* its verb's table is what is parsed */
	int argc;
	char **argv;
	bool stop_at_name; /* the first word that is no option ends them: a command follows */
	bool started;	   /* set by opt_next */
};

/*
 * The next option: its id, with *value set; 0 at the end; -1 with err, code ERR_USAGE. After
 * --help, which is printed here, -1 with code ERR_NONE: the verb just returns.
 */
int opt_next(struct opts *opts, const char **value, struct err *err);

/* After the end: the words that are no options, a NULL-terminated list; *n counts them. */
char **opt_rest(const struct opts *opts, int *n);

/*
 * For verbs without options of their own: parse to the end, return opt_rest, which must be min to
 * max words (max -1: any number). NULL with err otherwise.
 */
char **opt_words(struct cli *cli, int argc, char **argv, int min, int max, int *n, struct err *err);

/* What `mayfly help VERB` shows, on stdout. */
void opt_print_help(const struct verb *verb);

#endif
