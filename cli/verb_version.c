/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <stdio.h>

#include "base/bug.h"
#include "base/proto/ctl.h"
#include "base/proto/guest.h"
#include "base/proto/launch.h"
#include "base/proto/spec.h"
#include "cli/json.h"
#include "cli/version.h"

int verb_version(struct cli *cli, int argc, char **argv, struct err *err)
{
	const struct {
		const char *name;
		unsigned version;
	} protocols[] = { { "spec", SPEC_VERSION },
			  { "control", CTL_VERSION },
			  { "launch", LAUNCH_VERSION },
			  { "guest", GUEST_VERSION } };
	json_t *object;
	int n;

	if (opt_words(cli, argc, argv, 0, 0, &n, err) == NULL)
		return -1;
	if (!cli->json) {
		(void)printf("mayfly %s (spec %u, control %u, launch %u, guest %u)\n",
			     MAYFLY_VERSION, SPEC_VERSION, CTL_VERSION, LAUNCH_VERSION,
			     GUEST_VERSION);
		return 0;
	}
	object = json_object();
	json_put_text(object, "version", MAYFLY_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		json_put_number(object, protocols[i].name, protocols[i].version);
	return json_print(object, err);
}
