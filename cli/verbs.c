/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* The one table of verbs, and help, which prints it. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "cli/nearest.h"

const struct verb verbs[] = {
	{ "create", NULL, "NAME [OPTION…]",
	  "Make a sandbox that lives until its date; prints its name.", verb_create_options,
	  VERB_ROOT | VERB_CHANGES | VERB_TABLE, 0, verb_create },
	{ "run", NULL, "[-n NAME] [OPTION…] [IMAGE] [-- CMD…]",
	  "Run a sandbox in the foreground; it ends with this process.", verb_run_options,
	  VERB_ROOT | VERB_CHANGES, 125, verb_run },
	{ "ls", "ps", "[-a] [--label KEY[=VALUE]]", "List the sandboxes.", verb_ls_options,
	  VERB_ROOT | VERB_TABLE, 0, verb_ls },
	{ "show", "inspect", "NAME", "Everything about one sandbox.", NULL, VERB_ROOT | VERB_TABLE,
	  0, verb_show },
	{ "ports", NULL, "[ls] [-a] [NAME…]", "List the published ports.", verb_ports_options,
	  VERB_ROOT | VERB_TABLE, 0, verb_ports },
	{ "ssh", NULL, "[-i FILE] [-tAN] [-L|-R|-D|-o VALUE…] NAME [-- CMD…]",
	  "Log in; passes ssh's exit code on.", verb_ssh_options, 0, 255, verb_ssh },
	{ "ssh-config", NULL, "[NAME…]",
	  "Print what makes NAME.mayfly an alias for ssh, scp, sftp, rsync and editors.", NULL, 0,
	  0, verb_ssh_config },
	{ "exec", NULL, "[-it] [OPTION…] NAME -- CMD…",
	  "Run a command inside, without ssh; passes its exit code on.", verb_exec_options, 0, 125,
	  verb_exec },
	{ "cp", NULL, "[-a] [-u NAME] SRC NAME:DST|NAME:SRC DST",
	  "Copy trees into a sandbox or out of it.", verb_cp_options, 0, 0, verb_cp },
	{ "console", NULL, "[--detach-key KEY] [--tail N] NAME",
	  "Attach this terminal to the sandbox's console.", verb_console_options, 0, 0,
	  verb_console },
	{ "logs", NULL, "[-f] [--tail N] [--source console|agent|keeper] NAME",
	  "What the sandbox wrote to its console, or its keeper to its log.", verb_logs_options,
	  VERB_TABLE, 0, verb_logs },
	{ "stop", NULL, "[-t SEC|--force] NAME…",
	  "End the guest; disk, keys and name stay until the date.", verb_stop_options,
	  VERB_ROOT | VERB_CHANGES | VERB_ENDS | VERB_TABLE, 0, verb_stop },
	{ "start", NULL, "[--foreground] NAME…|--all", "Bring up what was stopped.",
	  verb_start_options, VERB_ROOT | VERB_CHANGES | VERB_TABLE, 0, verb_start },
	{ "set", NULL, "NAME [--memory SIZE] [--cpus N] [--label K=V|K-] […]",
	  "Change its memory, CPUs, labels, owner or reason.", verb_set_options,
	  VERB_ROOT | VERB_CHANGES | VERB_TABLE, 0, verb_set },
	{ "renew", NULL, "NAME --ttl DURATION|--until DATE [--reason TEXT]",
	  "Move the date, counted from now.", verb_renew_options,
	  VERB_ROOT | VERB_CHANGES | VERB_TABLE, 0, verb_renew },
	{ "destroy", "rm", "[-f] NAME…", "End sandboxes and leave nothing of them.",
	  verb_destroy_options, VERB_ROOT | VERB_ENDS | VERB_TABLE, 0, verb_destroy },
	{ "stats", NULL, "[-f] [NAME…]", "What sandboxes use: processor, memory, disk, network.",
	  verb_stats_options, VERB_ROOT | VERB_TABLE, 0, verb_stats },
	{ "image", NULL, "ls|show [IMAGE]", "The images that sandboxes can be started from.", NULL,
	  VERB_ROOT | VERB_TABLE, 0, verb_image },
	{ "kernel", NULL, "ls|show [KERNEL]", "The kernels that sandboxes can be started with.",
	  NULL, VERB_ROOT | VERB_TABLE, 0, verb_kernel },
	{ "reap", NULL, "[--dry-run]", "End what is due and what a crash left.", verb_reap_options,
	  VERB_ROOT | VERB_ENDS | VERB_TABLE, 0, verb_reap },
	{ "verify", NULL, "NAME|ID", "Look whether anything is left of a sandbox that is gone.",
	  NULL, VERB_ROOT | VERB_TABLE, 0, verb_verify },
	{ "audit", NULL, "", "What sandboxes have left over, and what on this host is nobody's.",
	  NULL, VERB_ROOT | VERB_TABLE, 0, verb_audit },
	{ "history", NULL, "[-o] [NAME|ID]", "What happened to sandboxes, gone ones too.",
	  verb_history_options, VERB_ROOT | VERB_TABLE, 0, verb_history },
	{ "who", NULL, "[-a] [NAME|ID]", "Every person whose key opens a sandbox, and until when.",
	  verb_who_options, VERB_ROOT | VERB_TABLE, 0, verb_who },
	{ "host", NULL, "up|down", "Make or remove what all sandboxes share on this host.",
	  verb_host_options, VERB_ROOT | VERB_ENDS | VERB_TABLE, 0, verb_host },
	{ "doctor", NULL, "[--only CHECK]", "Can this host run sandboxes?", verb_doctor_options,
	  VERB_TABLE, 0, verb_doctor },
	{ "completion", NULL, "bash|zsh|fish", "Print a shell's completion of mayfly's words.",
	  NULL, 0, 0, verb_completion },
	{ "__complete", NULL, "[WORD…]", "What can follow these words, for a shell.", NULL,
	  VERB_HIDDEN, 0, verb_complete },
	{ "version", NULL, "", "Print the version.", NULL, VERB_TABLE, 0, verb_version },
	{ "help", NULL, "[VERB]", "Explain a verb.", NULL, 0, 0, verb_help },
	{ 0 },
};

const struct verb *verbs_find(const char *name)
{
	for (const struct verb *verb = verbs; verb->name != NULL; verb++) {
		if (strcmp(verb->name, name) == 0 ||
		    (verb->alias != NULL && strcmp(verb->alias, name) == 0))
			return verb;
	}
	return NULL;
}

int verbs_unknown(const char *name, struct err *err)
{
	struct nearest nearest = { .typed = name };

	for (const struct verb *verb = verbs; verb->name != NULL; verb++) {
		nearest_offer(&nearest, verb->name);
		if (verb->alias != NULL)
			nearest_offer(&nearest, verb->alias);
	}
	if (nearest.word != NULL)
		return err_set(err, ERR_USAGE, "%.60s: no such verb; did you mean %s?", name,
			       nearest.word);
	return err_set(err, ERR_USAGE, "%.60s: no such verb; `mayfly help` lists them", name);
}

int verb_help(struct cli *cli, int argc, char **argv, struct err *err)
{
	int n;
	char **words = opt_words(cli, argc, argv, 0, 1, &n, err);

	if (words == NULL)
		return -1;
	if (n == 0) {
		(void)printf("usage: mayfly [--config FILE] VERB [OPTION…] [NAME…]\n\n");
		for (const struct verb *verb = verbs; verb->name != NULL; verb++)
			if ((verb->flags & VERB_HIDDEN) == 0)
				(void)printf("  %-11s %s\n", verb->name, verb->summary);
		(void)printf("\n`mayfly help VERB` explains one.\n");
		return 0;
	}
	if (verbs_find(words[0]) != NULL) {
		opt_print_help(verbs_find(words[0]));
		return 0;
	}
	return verbs_unknown(words[0], err);
}
