/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/rest.h"

#include <string.h>

#include "base/fd.h"
#include "cli/policy.h"
#include "cli/points.h"
#include "cli/resolv.h"
#include "store/entry.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/rest.h"
#include "store/spec.h"

struct today {
	const struct config *config;
	struct spec *spec;
	struct handover *files;
	bool accept_changed;
};

/* The host's part, the initrd (its mayfly-init goes with the keeper) and the resolvers are the host's, not the sandbox's. */
static int as_of_today(struct spec *spec, void *arg, struct err *err)
{
	const struct today *today = arg;

	spec->host = today->config->host;
	memset(spec->initrd, 0, sizeof(spec->initrd));
	if (!str_copy(spec->initrd, sizeof(spec->initrd), today->config->initrd))
		return err_set(err, ERR_USAGE, "paths.initrd %s: too long", today->config->initrd);
	memset(spec->resolvers, 0, sizeof(spec->resolvers));
	resolv_choose(today->config->resolvers, spec->resolvers);
	if (handover_take_again(today->files, spec,
				today->accept_changed ? HANDOVER_ANY : HANDOVER_VOUCHED, err) < 0)
		return -1;
	policy_give_egress(&today->config->policy, spec);
	if (policy_check_spec(today->config, spec, err) < 0)
		return -1;
	*today->spec = *spec;
	return 0;
}

int rest_prepare(const struct config *config, const char *name, const char *id, struct spec *spec,
		 struct handover *files, bool accept_changed, struct err *err)
{
	struct today today = { config, spec, files, accept_changed };

	return rest_change(&config->host, name, id, as_of_today, &today, NULL, err);
}

/*
 * One that runs is read by nobody until its next start: claim.lock keeps two writers apart, and a start from beginning.
 * One may have ended and begun since it was looked at.
 */
static int change_running(const struct host_config *host, struct store_entry *entry,
			  rest_change_fn *change, void *arg, struct err *err)
{
	char path[PATHS_SIZE], id[ID_SIZE];
	auto_fd claim = lock_claims(host, err);

	if (claim < 0)
		return -1;
	memcpy(id, entry->id, sizeof(id));
	if (entry_load(host, id, entry, err) < 0)
		return -1;
	if (entry->state != STORE_RUNNING)
		return err_set(err, ERR_FAILED, "it is ending, or starting: try again");
	if (spec_read(paths_sandbox(host, id, "spec", path), &entry->spec, err) < 0 ||
	    change(&entry->spec, arg, err) < 0)
		return -1;
	return spec_write_sandbox(&entry->spec, err);
}

static bool rest_same(const void *a, const void *b, size_t size)
{
	return memcmp(a, b, size) == 0;
}

static int change_at_rest(const struct host_config *host, struct store_entry *entry,
			  rest_change_fn *change, void *arg, struct err *err)
{
	static struct spec before;
	char id[ID_SIZE];
	int rc, lock;

	memcpy(id, entry->id, sizeof(id));
	lock = rest_take(host, id, false, entry, err);
	if (lock < 0)
		return -1;
	points_meet(POINTS_TAKEN);
	memcpy(&before, &entry->spec, sizeof(before)); /* as it is on disk, to the byte */
	rc = change(&entry->spec, arg, err);
	if (rc == 0 && !rest_same(&before, &entry->spec, sizeof(before)))
		rc = spec_write_sandbox(&entry->spec, err);
	points_meet(POINTS_CHANGED);
	lock_unclaim(host, id, &lock);
	points_meet(POINTS_RELEASED);
	explicit_bzero(&before, sizeof(before));
	return rc;
}

int rest_change(const struct host_config *host, const char *name, const char *id,
		rest_change_fn *change, void *arg, bool *running, struct err *err)
{
	static struct store_entry entry; /* too large for a stack */
	int rc = entry_load(host, id, &entry, err);

	if (rc < 0)
		return -1;
	if (running)
		*running = entry.state == STORE_RUNNING;
	if (entry.has_spec && !(entry.spec.flags & SPEC_DURABLE))
		rc = err_set(err, ERR_FAILED,
			     "it is gone with its process, and never starts again");
	else if (entry.state == STORE_RUNNING && !running)
		rc = err_set(err, ERR_FAILED, "it runs already");
	else if (entry.state == STORE_RUNNING)
		rc = change_running(host, &entry, change, arg, err);
	else
		rc = change_at_rest(host, &entry, change, arg, err);
	explicit_bzero(&entry, sizeof(entry));
	return rc < 0 ? err_wrap(err, "%s", name) : 0;
}
