/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_WHO_H
#define CLI_WHO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

/*
 * Who asks: the owner of this process, or where that is root, the one whom sudo, pkexec or doas says that it runs for. Root can
 * say anything there: it is for the records and for policies among people who don't cheat.
 */
struct who_facts {
	uid_t uid; /* real */
	/* the environment's SUDO_UID, PKEXEC_UID, DOAS_USER and SUDO_USER; NULL: not there */
	const char *sudo_uid, *pkexec_uid, *doas_user, *sudo_user;
};

/* As "#UID", or a name. Returns out. Pure. */
const char *who_decide(const struct who_facts *facts, char out[STR_NAME_MAX + 1]);

#define WHO_GROUPS_MAX 64

struct who {
	char name[STR_NAME_MAX + 1]; /* login name; of an account that isn't there "#UID" */
	char *groups[WHO_GROUPS_MAX];
	size_t n_groups;
};

/* The login name alone, printable. */
void who_name(char out[STR_NAME_MAX + 1]);

/* With groups, to be freed. */
void who_ask(struct who *who);
void who_free(struct who *who);

#endif
