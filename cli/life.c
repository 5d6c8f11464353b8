/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/life.h"

#include <string.h>

#include "base/str.h"

static int refuse(struct err *err, const struct config *config, const char *option,
		  const char *value, const char *what)
{
	char max[32];

	return err_set(err, ERR_USAGE, "%s %.60s: %s; this site grants at most %s", option, value,
		       what, str_from_duration(config->max_ttl_s, max, sizeof(max)));
}

/* As cli/policy.h says it. */
static int refuse_policy(struct err *err, const struct config *config, const char *option,
			 const char *value)
{
	char max[32];

	return err_set(err, ERR_USAGE, "[site] max_ttl = \"%s\" refuses %s %.60s",
		       str_from_duration(config->max_ttl_s, max, sizeof(max)), option, value);
}

int life_deadline(const struct life *life, const struct config *config, int64_t now_s,
		  int64_t *deadline_s, bool *by_default, struct err *err)
{
	uint64_t seconds;

	*by_default = life->ttl == NULL && life->until == NULL;
	if (life->ttl != NULL && life->until != NULL)
		return err_set(err, ERR_USAGE, "--ttl and --until: give one of them");
	if (*by_default) {
		*deadline_s = now_s + (int64_t)config->default_ttl_s;
		return 0;
	}
	if (life->ttl != NULL) {
		if (!str_to_duration(life->ttl, &seconds))
			return refuse(err, config, "--ttl", life->ttl,
				      "not a life: write it as 30m, 12h, 7d or 2w");
		if (seconds > config->max_ttl_s)
			return refuse_policy(err, config, "--ttl", life->ttl);
		*deadline_s = now_s + (int64_t)seconds;
		return 0;
	}
	if (!str_to_instant(life->until, deadline_s))
		return refuse(err, config, "--until", life->until,
			      "not a date: write it as 2026-12-01 or 2026-12-01T17:00Z");
	if (*deadline_s <= now_s)
		return refuse(err, config, "--until", life->until, "in the past");
	if ((uint64_t)(*deadline_s - now_s) > config->max_ttl_s)
		return refuse_policy(err, config, "--until", life->until);
	return 0;
}

int life_grace(const char *grace, const struct config *config, bool keeps, uint64_t *grace_s,
	       struct err *err)
{
	char max[32];

	*grace_s = keeps ? config->grace_s : 0;
	if (grace == NULL)
		return 0;
	if (strcmp(grace, "0s") == 0) {
		*grace_s = 0;
		return 0;
	}
	if (!str_to_duration(grace, grace_s))
		return err_set(err, ERR_USAGE,
			       "--grace %.60s: not a duration: write it as 12h, 7d or 0s", grace);
	if (!keeps)
		return err_set(err, ERR_USAGE,
			       "--grace: it is for a disk that outlives its runs, which only "
			       "`mayfly create` makes");
	if (*grace_s > config->max_grace_s)
		return err_set(err, ERR_USAGE,
			       "--grace %.60s: too long; this site keeps a disk at most %s", grace,
			       str_from_duration(config->max_grace_s, max, sizeof(max)));
	return 0;
}
