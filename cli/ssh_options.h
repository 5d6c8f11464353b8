/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_SSH_OPTIONS_H
#define CLI_SSH_OPTIONS_H

#include <limits.h>

#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "cli/cli.h"
#include "store/paths.h"

/*
 * How OpenSSH's client reaches a sandbox: through our own `ssh --stdio`, with the host key that was pinned when it was
 * made. Every path in it is one that ssh_config, its % tokens and the shell that runs ProxyCommand read as we mean it.
 */
struct ssh_options {
	char proxy[2 * PATH_MAX + 128]; /* ProxyCommand */
	char known_hosts[PATHS_SIZE];	/* UserKnownHostsFile */
	char alias[STR_NAME_MAX + 1];	/* HostKeyAlias */
	char user[STR_NAME_MAX + 1];
	char identity[PATHS_SIZE]; /* the key made for it, where we may read it; else "" */
};

/* name is what the user called it, id what target_find made of that. 0, or -1 with err. */
int ssh_options_find(const struct cli *cli, const char *id, const char *name,
		     struct ssh_options *options, struct err *err);

/* What holds for every sandbox: "Key Value" texts of ssh_config(5), NULL at the end. */
extern const char *const ssh_options_fixed[];

#endif
