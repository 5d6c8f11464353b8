/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/who.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_uid(const char *text)
{
	uint64_t uid;

	/* the last one means none */
	return text != NULL && str_to_u64(text, UINT32_MAX - 1, &uid);
}

const char *who_decide(const struct who_facts *facts, char out[STR_NAME_MAX + 1])
{
	const char *number = is_uid(facts->sudo_uid)	 ? facts->sudo_uid
			     : is_uid(facts->pkexec_uid) ? facts->pkexec_uid
							 : NULL;
	const char *name = facts->sudo_user != NULL ? facts->sudo_user : facts->doas_user;

	memset(out, 0, STR_NAME_MAX + 1);
	if (facts->uid != 0)
		(void)snprintf(out, STR_NAME_MAX + 1, "#%u", facts->uid);
	else if (number != NULL)
		(void)snprintf(out, STR_NAME_MAX + 1, "#%s", number);
	else if (name != NULL && name[0] != '\0')
		(void)str_copy(out, STR_NAME_MAX + 1, name);
	else
		(void)str_copy(out, STR_NAME_MAX + 1, "#0");
	return out;
}

/* The account behind a decision; NULL: there is none. */
static const struct passwd *account(char word[STR_NAME_MAX + 1])
{
	const struct who_facts facts = { getuid(), getenv("SUDO_UID"), getenv("PKEXEC_UID"),
					 getenv("DOAS_USER"), getenv("SUDO_USER") };

	(void)who_decide(&facts, word);
	return word[0] == '#' ? getpwuid((uid_t)strtoul(word + 1, NULL, 10)) : getpwnam(word);
}

static void take_name(const struct passwd *pw, const char *word, char out[STR_NAME_MAX + 1])
{
	memset(out, 0, STR_NAME_MAX + 1);
	(void)str_copy(out, STR_NAME_MAX + 1, pw != NULL ? pw->pw_name : word);
	for (char *c = out; *c != '\0'; c++) {
		if (*c <= ' ' || *c >= '\x7f')
			*c = '?';
	}
}

void who_name(char out[STR_NAME_MAX + 1])
{
	char word[STR_NAME_MAX + 1];
	const struct passwd *pw = account(word);

	take_name(pw, word, out);
}

void who_ask(struct who *who)
{
	char word[STR_NAME_MAX + 1];
	const struct passwd *pw = account(word);
	gid_t gids[WHO_GROUPS_MAX];
	int n = WHO_GROUPS_MAX;

	*who = (struct who){ .n_groups = 0 };
	take_name(pw, word, who->name);
	if (pw == NULL)
		return;
	if (getgrouplist(pw->pw_name, pw->pw_gid, gids, &n) < 0)
		n = WHO_GROUPS_MAX; /* the first ones are there */
	for (int i = 0; i < n; i++) {
		const struct group *group = getgrgid(gids[i]);

		if (group != NULL && (who->groups[who->n_groups] = strdup(group->gr_name)) != NULL)
			who->n_groups++;
	}
}

void who_free(struct who *who)
{
	for (size_t i = 0; i < who->n_groups; i++)
		free(who->groups[i]);
	who->n_groups = 0;
}
