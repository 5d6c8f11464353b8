/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* mayfly: finds the verb, runs it, prints its error as one line and exits with its code. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/deaths.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/points.h"
#include "cli/text.h"
#include "cli/verbs.h"

enum { MAIN_VERSION = OPT_LONG + 1 };

static const struct opt main_options[] = {
	{ MAIN_VERSION, "version", NULL, "print the version" },
	{ 0 },
};

static const struct verb no_verb = {
	.name = "",
	.usage = "[--config FILE] VERB [OPTION…] [NAME…]",
	.summary = "microVMs that end on a date: `mayfly help` lists the verbs.",
	.options = main_options,
	.flags = VERB_TABLE,
};

static int dispatch(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv, .stop_at_name = true };
	const char *value;
	static char version[] = "version";
	char *version_words[] = { version, NULL }, **words;
	int id, n;

	cli->verb = &no_verb;
	id = opt_next(&opts, &value, err);
	if (id < 0)
		return -1;
	if (id == MAIN_VERSION)
		return verb_version(cli, 1, version_words, err);
	words = opt_rest(&opts, &n);
	if (n == 0)
		return err_set(err, ERR_USAGE, "which verb? `mayfly help` lists them");
	cli->verb = verbs_find(words[0]);
	if (cli->verb == NULL) {
		cli->verb = &no_verb;
		return verbs_unknown(words[0], err);
	}
	return cli->verb->run(cli, n, words, err);
}

/* Errors may quote what the user typed, or what a guest said: one clean line. */
static int fail(const struct cli *cli, const struct err *err)
{
	char line[2 * ERR_TEXT_MAX];

	if (err->code == ERR_NONE)
		return 0;
	if (err->text[0] != '\0') /* else a program that shares our stderr has said it */
		log_error("%s", text_line(err->text, line, sizeof(line)));
	return err->code == ERR_FAILED && cli->verb->failed_code != 0 ? cli->verb->failed_code
								      : err->code;
}

int main(int argc, char **argv)
{
	static struct cli cli;
	struct err err;
	int code;

	log_init("mayfly");
	(void)signal(SIGCHLD,
		     SIG_DFL); /* inherited as ignored, no tool's exit code would be told */
#ifdef MAYFLY_INJECT
	if (argc == 2 && strcmp(argv[1], "--name-steps") == 0) {
		points_print();
		return 0;
	}
#endif
	deaths_role("cli");
	code = dispatch(&cli, argc, argv, &err);
	points_meet(POINTS_DONE);
	if (code < 0)
		code = fail(&cli, &err);
	if (fflush(stdout) == EOF && code == 0) {
		log_error("can't write to stdout");
		code = ERR_FAILED;
	}
	return code;
}
