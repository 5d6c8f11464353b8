/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/opt.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "cli/cli.h"
#include "cli/nearest.h"

#define MAX_OPTIONS 64

enum { OPT_CONFIG = OPT_LONG + 900, OPT_FORMAT, OPT_HELP = 'h' };

const struct opt opt_common[] = {
	{ OPT_CONFIG, "config", "FILE", "configuration instead of " CONFIG_PATH },
	{ OPT_FORMAT, "format", "table|json", "how to print" },
	{ OPT_HELP, "help", NULL, "this text" },
	{ 0 },
};

/* getopt's two forms of the same table. */
struct forms {
	struct option longs[MAX_OPTIONS + 1];
	char shorts[2 * MAX_OPTIONS + 3];
	size_t n_longs, n_shorts;
};

bool opt_applies(const struct verb *verb, const struct opt *opt)
{
	return opt->id != OPT_FORMAT || (verb->flags & VERB_TABLE) != 0;
}

static void add(struct forms *forms, const struct opt *opt)
{
	BUG_ON(forms->n_longs == MAX_OPTIONS);
	forms->longs[forms->n_longs++] = (struct option){
		.name = opt->name,
		.has_arg = opt->value != NULL ? required_argument : no_argument,
		.val = opt->id,
	};
	if (opt->id >= OPT_LONG)
		return;
	forms->shorts[forms->n_shorts++] = (char)opt->id;
	if (opt->value != NULL)
		forms->shorts[forms->n_shorts++] = ':';
}

static void make_forms(struct forms *forms, const struct opts *opts)
{
	const struct verb *verb = opts->cli->verb;

	memset(forms, 0, sizeof(*forms));
	if (opts->stop_at_name)
		forms->shorts[forms->n_shorts++] = '+';
	forms->shorts[forms->n_shorts++] = ':';
	for (const struct opt *opt = verb->options; opt != NULL && opt->id != 0; opt++)
		add(forms, opt);
	for (const struct opt *opt = opt_common; opt->id != 0; opt++) {
		if (opt_applies(verb, opt))
			add(forms, opt);
	}
}

/*
 * getopt tells a bad short option by its letter, a bad long one only by the word that it stood in.
 */
static int bad_option(const struct opts *opts, int id, struct err *err)
{
	const char *word = opts->argv[optind - 1];
	const struct verb *verb = opts->cli->verb;
	struct nearest nearest = { 0 };
	char text[96], typed[80];

	if (optopt > 0 && optopt < OPT_LONG && strncmp(word, "--", 2) != 0)
		(void)snprintf(text, sizeof(text), "-%c", optopt);
	else
		(void)snprintf(text, sizeof(text), "%.80s", word);
	if (id == '?' && strncmp(text, "--", 2) == 0) {
		(void)snprintf(typed, sizeof(typed), "%.*s", (int)strcspn(text + 2, "="), text + 2);
		nearest.typed = typed;
		for (const struct opt *opt = verb->options; opt != NULL && opt->id != 0; opt++)
			nearest_offer(&nearest, opt->name);
		for (const struct opt *opt = opt_common; opt->id != 0; opt++) {
			if (opt_applies(verb, opt))
				nearest_offer(&nearest, opt->name);
		}
	}
	return err_set(err, ERR_USAGE, "%s: %s%s%s%s (see `mayfly help%s%s`)", text,
		       id == ':' ? "needs a value" : "no such option here",
		       nearest.word != NULL ? "; did you mean --" : "",
		       nearest.word != NULL ? nearest.word : "", nearest.word != NULL ? "?" : "",
		       verb->name[0] != '\0' ? " " : "", verb->name);
}

static int take_format(struct cli *cli, const char *value, struct err *err)
{
	if (strcmp(value, "table") != 0 && strcmp(value, "json") != 0)
		return err_set(err, ERR_USAGE, "--format %.60s: neither table nor json", value);
	cli->json = strcmp(value, "json") == 0;
	return 0;
}

static bool is_dry_run(const struct verb *verb, int id)
{
	for (const struct opt *opt = verb->options; opt != NULL && opt->id != 0; opt++)
		if (opt->id == id)
			return strcmp(opt->name, "dry-run") == 0;
	return false;
}

int opt_next(struct opts *opts, const char **value, struct err *err)
{
	struct forms forms;

	make_forms(&forms, opts);
	if (!opts->started) {
		optind = 0; /* glibc: start afresh */
		opterr = 0;
		opts->started = true;
	}
	for (;;) {
		int id = getopt_long(opts->argc, opts->argv, forms.shorts, forms.longs, NULL);

		*value = optarg;
		if (id == -1)
			return 0;
		if (id == '?' || id == ':')
			return bad_option(opts, id, err);
		if (id == OPT_HELP) {
			opt_print_help(opts->cli->verb);
			return err_set(err, ERR_NONE, "help was asked for");
		}
		if (is_dry_run(opts->cli->verb, id))
			opts->cli->dry_run = true;
		if (id == OPT_CONFIG)
			opts->cli->config_path = optarg;
		else if (id != OPT_FORMAT)
			return id;
		else if (take_format(opts->cli, optarg, err) < 0)
			return -1;
	}
}

char **opt_rest(const struct opts *opts, int *n)
{
	*n = opts->argc - optind;
	return opts->argv + optind;
}

char **opt_words(struct cli *cli, int argc, char **argv, int min, int max, int *n, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	int id = opt_next(&opts, &value, err);
	char **words;

	BUG_ON(id > 0);
	if (id < 0)
		return NULL;
	words = opt_rest(&opts, n);
	if (*n < min || (max >= 0 && *n > max)) {
		(void)cli_usage(cli, err, *n < min ? "something is missing" : "too many words");
		return NULL;
	}
	return words;
}

static void print_option(const struct opt *opt)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "--%s%s%s", opt->name, opt->value != NULL ? " " : "",
		       opt->value != NULL ? opt->value : "");
	if (opt->id < OPT_LONG)
		(void)printf("  -%c, %-24s %s\n", opt->id, text, opt->help);
	else
		(void)printf("      %-24s %s\n", text, opt->help);
}

void opt_print_help(const struct verb *verb)
{
	(void)printf("usage: mayfly%s%s%s%s\n%s\n\n", verb->name[0] != '\0' ? " " : "", verb->name,
		     verb->usage[0] != '\0' ? " " : "", verb->usage, verb->summary);
	if (verb->alias != NULL)
		(void)printf("Also called: %s\n\n", verb->alias);
	for (const struct opt *opt = verb->options; opt != NULL && opt->id != 0; opt++)
		print_option(opt);
	for (const struct opt *opt = opt_common; opt->id != 0; opt++) {
		if (opt_applies(verb, opt))
			print_option(opt);
	}
}
