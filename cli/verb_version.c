/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <stdio.h>

#include "base/proto/ctl.h"
#include "base/proto/guest.h"
#include "base/proto/launch.h"
#include "base/proto/spec.h"
#include "cli/version.h"

int verb_version(struct cli *cli, int argc, char **argv, struct err *err)
{
	int n;

	if (opt_words(cli, argc, argv, 0, 0, &n, err) == NULL)
		return -1;
	(void)printf("mayfly %s (spec %u, control %u, launch %u, guest %u)\n", MAYFLY_VERSION,
		     SPEC_VERSION, CTL_VERSION, LAUNCH_VERSION, GUEST_VERSION);
	return 0;
}
