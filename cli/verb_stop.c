/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* stop: end the guest of durable sandboxes, side by side; what they keep stays until their date. */
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/many.h"
#include "cli/request.h"
#include "cli/target.h"
#include "cli/who.h"
#include "store/entry.h"
#include "store/lock.h"
#include "store/paths.h"

#define ANSWER_SLACK_S 30  /* beyond the graceful stop */
#define GONE_LOOKS     500 /* of 10 ms: a keeper that has answered is on its way out */
#define TIMEOUT_MAX_S  3600

const struct opt verb_stop_options[] = {
	{ 't', "timeout", "SEC", "how long the guest may take: 30, 30s, 5m" },
	{ 'f', "force", NULL, "without asking the guest to stop first" },
	{ 0 },
};

struct running {
	const char *name;
	char id[ID_SIZE];
	int fd; /* control socket that has been asked; -1: nothing to wait for */
	struct err err;
};

/* A plain number is seconds. 0 is no patience at all. */
static int take_patience(struct ctl_request *request, const char *value, struct err *err)
{
	uint64_t seconds;

	if (!str_to_u64(value, TIMEOUT_MAX_S, &seconds) &&
	    (!str_to_duration(value, &seconds) || seconds > TIMEOUT_MAX_S))
		return err_set(err, ERR_USAGE,
			       "--timeout %.60s: must be 0 to %d seconds: 30, 30s, 5m", value,
			       TIMEOUT_MAX_S);
	request->timeout_s = (uint32_t)seconds;
	request->force |= seconds == 0;
	return 0;
}

/* 1: it has to be asked; 0: nothing runs; -1 with err. */
static int look(const struct host_config *host, const struct running *running, struct err *err)
{
	static struct store_entry entry;
	enum store_state state;
	bool ephemeral;

	if (entry_load(host, running->id, &entry, err) < 0)
		return -1;
	state = entry.state;
	ephemeral = entry.has_spec && !(entry.spec.flags & SPEC_DURABLE);
	explicit_bzero(&entry, sizeof(entry));
	if (ephemeral)
		return err_set(err, ERR_FAILED,
			       "it keeps nothing, a stop would be its end: `mayfly destroy %s`",
			       running->name);
	if (state == STORE_QUARANTINED)
		return 0;
	if (state == STORE_BROKEN)
		return err_set(
			err, ERR_FAILED,
			"its keeper was killed, which ended it; `mayfly reap` clears it away");
	return state != STORE_STOPPED && state != STORE_EXPIRED && state != STORE_GRACE;
}

static int ask(struct running *running, const struct host_config *host, struct ctl_request *request,
	       struct err *err)
{
	int rc = look(host, running, err);

	if (rc <= 0)
		return rc;
	running->fd = client_open(host, running->id, running->name, err);
	return running->fd < 0 ? -1 : client_send(running->fd, request, err);
}

/* After the answer its keeper has only to exit: a start that follows must not meet it. */
static int finish(const struct running *running, const struct host_config *host,
		  const struct ctl_request *request, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
	uint32_t patience_s = request->timeout_s != 0 ? request->timeout_s : host->stop_timeout_s;
	int timeout_ms = (int)(patience_s + ANSWER_SLACK_S) * 1000;
	struct ctl_record answer;
	char path[PATHS_SIZE];

	if (running->fd < 0)
		return 0;
	if (client_answer_to(running->fd, request, timeout_ms, &answer, NULL, err) < 0)
		return -1;
	(void)paths_run(host, running->id, "lock", path);
	for (int i = 0; i < GONE_LOOKS && lock_is_held(path); i++)
		(void)nanosleep(&pause, NULL);
	if (answer.type == CTL_ENDED && answer.code == END_EXPIRED)
		log_warning("%s: its date has come", running->name);
	return 0;
}

static int stop_all(struct cli *cli, char **names, int n, struct ctl_request *request,
		    struct err *err)
{
	const struct host_config *host = &cli->config.host;
	struct running *all = calloc((size_t)n, sizeof(*all));
	struct many many = { .list = cli->json ? json_array() : NULL };

	BUG_ON(all == NULL);
	for (int i = 0; i < n; i++) {
		all[i] = (struct running){ .name = names[i], .fd = -1 };
		if (target_find(host, names[i], all[i].id, &all[i].err) == 0 &&
		    ask(&all[i], host, request, &all[i].err) < 0)
			(void)err_wrap(&all[i].err, "%s", names[i]);
	}
	for (int i = 0; i < n; i++) {
		if (all[i].err.code == ERR_NONE && finish(&all[i], host, request, &all[i].err) < 0)
			(void)err_wrap(&all[i].err, "%s", names[i]);
		many_done(&many, names[i], all[i].id, &all[i].err);
		fd_close(&all[i].fd);
	}
	free(all);
	return many_result(&many, err);
}

int verb_stop(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	struct ctl_request request = { .type = CTL_STOP };
	const char *value;
	char **names;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == 'f')
			request.force = 1;
		else if (take_patience(&request, value, err) < 0)
			return -1;
	}
	if (id < 0)
		return -1;
	names = opt_rest(&opts, &n);
	if (n < 1)
		return cli_usage(cli, err, "the name is missing");
	if (cli_begin(cli, err) < 0)
		return -1;
	who_name(request.who);
	return stop_all(cli, names, n, &request, err);
}
