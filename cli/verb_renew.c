/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/json.h"
#include "cli/life.h"
#include "cli/policy.h"
#include "cli/points.h"
#include "cli/request.h"
#include "cli/target.h"
#include "cli/who.h"
#include "store/entry.h"
#include "store/lock.h"
#include "store/rest.h"

#define ANSWER_TIMEOUT_MS 10000

enum { RENEW_TTL = OPT_LONG + 1, RENEW_UNTIL, RENEW_REASON, RENEW_DRY_RUN };

const struct opt verb_renew_options[] = {
	{ RENEW_TTL, "ttl", "DURATION", "life from now: 30m, 12h, 7d, 2w" },
	{ RENEW_UNTIL, "until", "DATE", "end: 2026-12-01 or 2026-12-01T17:00Z" },
	{ RENEW_REASON, "reason", "TEXT", "why; it is written down with who" },
	{ RENEW_DRY_RUN, "dry-run", NULL, "say which date it would get" },
	{ 0 },
};

struct renew_words {
	const char *name, *reason;
	bool dry_run;
	struct life life;
};

static int read_words(struct cli *cli, int argc, char **argv, struct renew_words *words,
		      struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	char **rest;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == RENEW_TTL)
			words->life.ttl = value;
		else if (id == RENEW_UNTIL)
			words->life.until = value;
		else if (id == RENEW_REASON)
			words->reason = value;
		else
			words->dry_run = true;
	}
	if (id < 0)
		return -1;
	rest = opt_rest(&opts, &n);
	if (n != 1)
		return cli_usage(cli, err, n < 1 ? "the name is missing" : "one name, please");
	if (words->life.ttl == NULL && words->life.until == NULL)
		return cli_usage(cli, err, "until when? --ttl or --until");
	words->name = rest[0];
	return 0;
}

/* One that is stopped has no keeper: its date is moved where it is written. */
static int renew_at_rest(const struct host_config *host, const char *name, const char *id,
			 const struct ctl_request *request, bool dry_run, bool *in_grace,
			 struct err *err)
{
	static struct store_entry entry;
	int rc = 0, lock = rest_take(host, id, true, &entry, err);

	if (lock < 0)
		return err_wrap(err, "%s", name);
	*in_grace = entry.at_rest == STORE_GRACE;
	points_meet(POINTS_TAKEN);
	if (!dry_run)
		rc = rest_renew(host, &entry, request->deadline_s, request->who, request->reason,
				err);
	points_meet(POINTS_CHANGED);
	lock_unclaim(host, id, &lock);
	points_meet(POINTS_RELEASED);
	explicit_bzero(&entry, sizeof(entry));
	return rc < 0 ? err_wrap(err, "%s", name) : 0;
}

/* More life only for what could be made today, by somebody who could make it. */
static int check_policy(const struct config *config, const char *id, struct err *err)
{
	static struct store_entry entry;
	int rc = policy_check_who(&config->policy, err);

	if (rc == 0)
		rc = entry_load(&config->host, id, &entry, err);
	if (rc == 0 && !entry.has_spec && entry.unread.code != ERR_NONE) {
		*err = entry.unread;
		rc = -1;
	}
	if (rc == 0 && entry.has_spec)
		rc = policy_check_spec(config, &entry.spec, err);
	explicit_bzero(&entry, sizeof(entry));
	return rc;
}

static int print_json(const struct renew_words *words, const char *id, int64_t deadline_s,
		      struct err *err)
{
	json_t *object = json_object();

	json_put_text(object, "name", words->name);
	json_put_text(object, "id", id);
	json_put_instant(object, "ends", deadline_s);
	json_put_bool(object, "dry_run", words->dry_run);
	return json_print(object, err);
}

int verb_renew(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct ctl_request request = { .type = CTL_RENEW };
	struct renew_words words = { .reason = "" };
	char id[ID_SIZE], date[STR_INSTANT_SIZE];
	struct ctl_record answer;
	auto_fd fd = -1;
	bool by_default, in_grace = false;

	if (read_words(cli, argc, argv, &words, err) < 0 || cli_begin(cli, err) < 0 ||
	    life_deadline(&words.life, &cli->config, time(NULL), &request.deadline_s, &by_default,
			  err) < 0 ||
	    request_take_line(request.reason, sizeof(request.reason), "--reason", words.reason,
			      err) < 0 ||
	    target_find(&cli->config.host, words.name, id, err) < 0)
		return -1;
	if (check_policy(&cli->config, id, err) < 0)
		return err_wrap(err, "%s", words.name);
	who_name(request.who);
	fd = client_open(&cli->config.host, id, words.name, err);
	if (fd < 0 && (err->os_errno == ENOENT || err->os_errno == ECONNREFUSED)) {
		if (renew_at_rest(&cli->config.host, words.name, id, &request, words.dry_run,
				  &in_grace, err) < 0)
			return -1;
	} else if (fd < 0 || (!words.dry_run &&
			      client_ask(fd, &request, ANSWER_TIMEOUT_MS, &answer, NULL, err) < 0))
		return -1;
	if (in_grace && !words.dry_run)
		log_info("%s comes back out of its grace; to start it: mayfly start %s", words.name,
			 words.name);
	if (cli->json)
		return print_json(&words, id, request.deadline_s, err);
	(void)printf("%s %s at %s\n", words.name, words.dry_run ? "would end" : "ends",
		     str_from_instant(request.deadline_s, date, sizeof(date)));
	return 0;
}
