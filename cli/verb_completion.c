/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * completion: a few lines for a shell, which ask `mayfly __complete WORD…` at each tab. What can
 * follow is read from the tables of verbs and options, and a verb's line of usage says what its words
 * are; so a new verb or option completes by itself.
 */
#include "cli/verbs.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "cli/catalogue.h"
#include "store/paths.h"

static const struct {
	const char *shell, *text;
} scripts[] = {
	{ "bash",
	  "# mayfly's words for bash: source this, or put it where bash-completion looks\n"
	  "_mayfly() {\n"
	  "\tlocal line IFS=$'\\n'\n"
	  "\tCOMPREPLY=()\n"
	  "\tfor line in $(\"$1\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null); do\n"
	  "\t\tif [ \"$line\" = :files ]; then\n"
	  "\t\t\tcompopt -o filenames 2>/dev/null\n"
	  "\t\t\tCOMPREPLY+=($(compgen -f -- \"$2\"))\n"
	  "\t\telse\n"
	  "\t\t\tline=${line%%$'\\t'*}\n"
	  "\t\t\t[[ $line != *: ]] || compopt -o nospace 2>/dev/null\n"
	  "\t\t\tCOMPREPLY+=(\"$line\")\n"
	  "\t\tfi\n"
	  "\tdone\n"
	  "}\n"
	  "complete -F _mayfly mayfly\n" },
	{ "zsh", "#compdef mayfly\n"
		 "_mayfly() {\n"
		 "\tlocal line word\n"
		 "\tlocal -a found\n"
		 "\tfor line in \"${(@f)$($words[1] __complete \"${(@)words[2,CURRENT]}\" "
		 "2>/dev/null)}\"; do\n"
		 "\t\tif [[ $line == :files ]]; then\n"
		 "\t\t\t_files\n"
		 "\t\telif [[ -n $line ]]; then\n"
		 "\t\t\tword=${line%%$'\\t'*}\n"
		 "\t\t\tfound+=(\"${word//:/\\\\:}:${line#*$'\\t'}\")\n"
		 "\t\tfi\n"
		 "\tdone\n"
		 "\t(( $#found )) && _describe mayfly found\n"
		 "}\n"
		 "if [[ $funcstack[1] == _mayfly ]]; then _mayfly \"$@\"; else compdef _mayfly "
		 "mayfly; fi\n" },
	{ "fish", "# mayfly's words for fish\n"
		  "function __mayfly_words\n"
		  "\tset -l words (commandline -opc) (commandline -ct)\n"
		  "\tfor line in ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
		  "\t\tif test $line = :files\n"
		  "\t\t\t__fish_complete_path (commandline -ct)\n"
		  "\t\telse\n"
		  "\t\t\techo $line\n"
		  "\t\tend\n"
		  "\tend\n"
		  "end\n"
		  "complete -c mayfly -f -a '(__mayfly_words)'\n" },
};

int verb_completion(struct cli *cli, int argc, char **argv, struct err *err)
{
	int n;
	char **words = opt_words(cli, argc, argv, 1, 1, &n, err);

	if (words == NULL)
		return -1;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(words[0], scripts[i].shell) == 0) {
			(void)fputs(scripts[i].text, stdout);
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "%.60s: bash, zsh or fish, please", words[0]);
}

/* ---- __complete: one candidate a line, what it is behind a tab; ":files" for the names of files ---- */

static bool begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void offer(const char *word, const char *typed, const char *what)
{
	if (begins(word, typed))
		(void)printf("%s\t%s\n", word, what);
}

/* Each sandbox's name, with what follows it at once behind it: ":" where a path inside does. */
static void offer_names(const struct cli *cli, const char *typed, const char *follows)
{
	char path[PATHS_SIZE], word[STR_NAME_MAX + 2];
	struct dirent *entry;
	DIR *dir = opendir(paths_state(&cli->config.host, "names", path));

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (!str_is_name(entry->d_name))
			continue;
		(void)snprintf(word, sizeof(word), "%.*s%s", STR_NAME_MAX, entry->d_name, follows);
		offer(word, typed, "sandbox");
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static bool offer_item(const struct catalogue_item *item, void *typed)
{
	offer(item->name, typed, item->path);
	return true;
}

static void offer_items(const struct cli *cli, enum guestfile_kind kind, const char *typed)
{
	struct err ignored;

	(void)catalogue_each(&cli->config, kind, offer_item, (void *)(uintptr_t)typed, &ignored);
}

static void offer_verbs(const char *typed)
{
	for (const struct verb *verb = verbs; verb->name != NULL; verb++) {
		if ((verb->flags & VERB_HIDDEN) == 0)
			offer(verb->name, typed, verb->summary);
	}
}

/* "table|json": each of the alternatives that are no placeholder */
static void offer_alternatives(const char *text, const char *typed)
{
	char word[32];

	for (; text[0] != '\0'; text += strcspn(text, "|"), text += text[0] == '|') {
		size_t len = strcspn(text, "|");

		if (!islower((unsigned char)text[0]) || len >= sizeof(word))
			continue;
		(void)snprintf(word, sizeof(word), "%.*s", (int)len, text);
		offer(word, typed, "");
	}
}

/* kind: what usage or an option's table calls a word */
static void offer_kind(const struct cli *cli, const char *kind, const char *typed)
{
	static const char *const files[] = { "FILE", "DIR", "IMAGE", "KERNEL", "PATH",
					     "SRC",  "DST", "CMD",   "NAME:" };

	if (strcmp(kind, "SRC") == 0 || begins(kind, "NAME:"))
		offer_names(cli, typed, ":");
	else if (begins(kind, "NAME") && strcmp(cli->verb->name, "create") != 0)
		offer_names(cli, typed, "");
	else if (begins(kind, "IMAGE"))
		offer_items(cli, GUESTFILE_IMAGE, typed);
	else if (begins(kind, "KERNEL"))
		offer_items(cli, GUESTFILE_KERNEL, typed);
	else if (begins(kind, "VERB"))
		offer_verbs(typed);
	else
		offer_alternatives(kind, typed);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (begins(kind, files[i]))
			(void)puts(":files");
	}
}

static const struct opt *find_option(const struct verb *verb, const char *word)
{
	const struct opt *const tables[] = { verb->options, opt_common };

	for (size_t i = 0; i < 2; i++) {
		for (const struct opt *opt = tables[i]; opt != NULL && opt->id != 0; opt++) {
			bool letter = opt->id < OPT_LONG && word[0] == '-' && word[1] == opt->id &&
				      word[2] == '\0';

			if (letter || (begins(word, "--") && strcmp(word + 2, opt->name) == 0))
				return opt;
		}
	}
	return NULL;
}

static void offer_options(const struct verb *verb, const char *typed)
{
	const struct opt *const tables[] = { verb->options, opt_common };
	char word[64];

	for (size_t i = 0; i < 2; i++) {
		for (const struct opt *opt = tables[i]; opt != NULL && opt->id != 0; opt++) {
			(void)snprintf(word, sizeof(word), "--%s", opt->name);
			if (opt_applies(verb, opt))
				offer(word, typed, opt->help);
		}
	}
}

/* Behind an option in a line of usage: does its value follow? "[--all]", "--" and "[-a]" have none. */
static bool has_value(const char *word, size_t len)
{
	bool dashes = len == 2 && word[1] == '-';

	return word[0] == '-' && word[len] == ' ' && word[len - 1] != ']' && !dashes;
}

/*
 * The position'th word of a line of usage that is no option: "NAME", "up|down", "NAME…" (which goes
 * on); *optional: it stands in brackets. An option's own value follows it. false: there is none.
 */
static bool usage_word(const char *usage, unsigned position, char *kind, size_t size,
		       bool *optional)
{
	bool value = false;

	kind[0] = '\0';
	while (usage[0] != '\0') {
		bool bracket = usage[0] == '[';
		const char *word = usage + bracket;
		size_t len = strcspn(word, " ");

		usage = word + len + (word[len] == ' ');
		if (value) { /* "--ttl DURATION|--until DATE": another option's value follows */
			const char *other = strstr(word, "|-");

			value = other != NULL && other < word + len &&
				has_value(other + 1, (size_t)(word + len - other - 1));
		} else if (word[0] == '-') {
			value = has_value(word, len);
		} else if (!begins(word, "OPTION")) {
			(void)snprintf(kind, size, "%.*s", (int)strcspn(word, " ]"), word);
			*optional = bracket;
			if (position-- == 0)
				return true;
		}
	}
	return strstr(kind, "…") != NULL;
}

/* What can stand at that place: past what may be left out, what comes behind it as well */
static void offer_place(struct cli *cli, unsigned position, const char *typed)
{
	bool optional = true;
	char kind[64];

	while (optional &&
	       usage_word(cli->verb->usage, position++, kind, sizeof(kind), &optional)) {
		offer_kind(cli, kind, typed);
		if (strstr(kind, "…") != NULL)
			return;
	}
}

/* The verb is known; words are what stands behind it, the last one being typed. */
static void complete_verb(struct cli *cli, char **words, int n)
{
	const char *typed = words[n - 1], *equals = strchr(typed, '=');
	const struct opt *open = NULL;
	unsigned position = 0;
	char text[64];

	for (int i = 0; i < n - 1; i++) {
		if (strcmp(words[i], "--") == 0) {
			(void)puts(":files");
			return;
		}
		if (open != NULL && strcmp(words[i], "=") == 0) /* bash splits --OPTION=VALUE */
			continue;
		if (open != NULL) {
			open = NULL;
		} else if (words[i][0] == '-') {
			open = find_option(cli->verb, words[i]);
			open = open != NULL && open->value != NULL ? open : NULL;
		} else {
			position++;
		}
	}
	if (open != NULL) {
		offer_kind(cli, open->value, strcmp(typed, "=") == 0 ? "" : typed);
		return;
	}
	if (typed[0] == '-' && equals != NULL) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)(equals - typed), typed);
		open = find_option(cli->verb, text);
		if (open != NULL && open->value != NULL)
			offer_kind(cli, open->value, equals + 1);
	} else if (typed[0] == '-') {
		offer_options(cli->verb, typed);
	} else {
		offer_place(cli, position, typed);
	}
}

int verb_complete(struct cli *cli, int argc, char **argv, struct err *err)
{
	const struct verb *self = cli->verb, *verb = NULL;
	int i;

	for (i = 1; i < argc - 1; i++) {
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc - 1)
			cli->config_path = argv[++i];
		else if (argv[i][0] != '-')
			break;
	}
	if (argc < 2)
		return cli_usage(cli, err, "the words are missing");
	if (i < argc - 1) {
		verb = verbs_find(argv[i]);
		if (verb == NULL || config_load(&cli->config, cli->config_path, err) < 0)
			return 0; /* a shell's prompt is no place for complaints */
		cli->verb = verb;
		complete_verb(cli, argv + i + 1, argc - i - 1);
	} else if (argv[i][0] == '-') {
		offer_options(self, argv[i]);
	} else {
		offer_verbs(argv[i]);
	}
	cli->verb = self;
	return 0;
}
