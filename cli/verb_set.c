/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* set: change what a durable sandbox was made with, from its next start on; --balloon acts at once. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/entryview.h"
#include "cli/policy.h"
#include "cli/request.h"
#include "cli/rest.h"
#include "cli/target.h"
#include "cli/who.h"
#include "store/labels.h"

#define ANSWER_TIMEOUT_MS 10000
#define MAX_LABELS	  32

enum { SET_LABEL = OPT_LONG + 1, SET_REASON, SET_OWNER, SET_BALLOON };

const struct opt verb_set_options[] = {
	{ 'c', "cpus", "N", "CPUs: 1 to 8" },
	{ 'm', "memory", "SIZE", "memory: 512M, 2G" },
	{ SET_LABEL, "label", "KEY=VALUE|KEY-", "put a label, or remove one; repeatable" },
	{ SET_REASON, "reason", "TEXT", "why it is there" },
	{ SET_OWNER, "owner", "NAME", "whose it is" },
	{ SET_BALLOON, "balloon", "SIZE", "now: memory that the guest gives back; 0 ends it" },
	{ 0 },
};

struct wish {
	const struct policy *policy;
	const char *name, *memory, *cpus, *reason, *owner, *balloon;
	const char *labels[MAX_LABELS];
	unsigned n_labels;
};

static bool is_spec_change(const struct wish *wish)
{
	return wish->memory || wish->cpus || wish->reason || wish->owner || wish->n_labels > 0;
}

static int take_label(char labels[SPEC_LABELS_SIZE], const char *word, struct err *err)
{
	char key[LABELS_KEY_MAX + 1];
	size_t len = strlen(word);

	if (strchr(word, '=') || len < 2 || word[len - 1] != '-')
		return labels_put(labels, word, err) < 0 ? err_wrap(err, "--label") : 0;
	if (len - 1 >= sizeof(key))
		return err_set(err, ERR_USAGE, "--label %.80s: no key is that long", word);
	memcpy(key, word, len - 1);
	key[len - 1] = '\0';
	if (!labels_drop(labels, key))
		return err_set(err, ERR_USAGE, "--label %.80s: it has no label %s", word, key);
	return 0;
}

static int change(struct spec *spec, void *arg, struct err *err)
{
	const struct wish *wish = arg;

	if (request_take_memory(&spec->memory_bytes, wish->memory, err) < 0 ||
	    request_take_cpus(&spec->vcpus, wish->cpus, err) < 0)
		return -1;
	if ((wish->memory != NULL &&
	     policy_check_memory(wish->policy, spec->memory_bytes, err) < 0) ||
	    (wish->cpus != NULL && policy_check_cpus(wish->policy, spec->vcpus, err) < 0))
		return -1;
	for (unsigned i = 0; i < wish->n_labels; i++)
		if (take_label(spec->labels, wish->labels[i], err) < 0)
			return -1;
	if (wish->reason != NULL) {
		memset(spec->reason, 0, sizeof(spec->reason));
		if (request_take_line(spec->reason, sizeof(spec->reason), "--reason", wish->reason,
				      err) < 0)
			return -1;
	}
	if (wish->owner != NULL)
		memset(spec->owner, 0, sizeof(spec->owner));
	return request_take_owner(spec->owner, wish->owner, err);
}

/* What a start reads; labels, owner and reason are read whenever somebody looks. */
static int change_spec(const struct cli *cli, const struct wish *wish, const char *id,
		       struct err *err)
{
	struct wish copy = *wish;
	bool running = false;

	copy.policy = &cli->config.policy;
	if (rest_change(&cli->config.host, wish->name, id, change, &copy, &running, err) < 0)
		return -1;
	if (running && (wish->memory || wish->cpus))
		log_info("%s runs: memory and CPUs change at its next start", wish->name);
	return 0;
}

static int balloon(const struct cli *cli, const struct wish *wish, const char *id, struct err *err)
{
	struct ctl_request request = { .type = CTL_BALLOON };
	struct ctl_record answer;
	uint64_t bytes = 0;
	auto_fd fd = -1;

	if ((strcmp(wish->balloon, "0") != 0 && !str_to_size(wish->balloon, &bytes)) ||
	    bytes % (1 << 20) != 0 || bytes > CONFIG_MEMORY_MAX)
		return err_set(err, ERR_USAGE, "--balloon %.60s: not a size: write it as 128M or 0",
			       wish->balloon);
	request.port = (uint32_t)(bytes >> 20);
	who_name(request.who);
	fd = client_open(&cli->config.host, id, wish->name, err);
	if (fd < 0)
		return -1;
	return client_ask(fd, &request, ANSWER_TIMEOUT_MS, &answer, NULL, err) < 0
		       ? err_wrap(err, "%s", wish->name)
		       : 0;
}

static int take_option(struct wish *wish, int id, const char *value, struct err *err)
{
	switch (id) {
	case 'c':
		wish->cpus = value;
		break;
	case 'm':
		wish->memory = value;
		break;
	case SET_REASON:
		wish->reason = value;
		break;
	case SET_OWNER:
		wish->owner = value;
		break;
	case SET_BALLOON:
		wish->balloon = value;
		break;
	default:
		if (wish->n_labels == MAX_LABELS)
			return err_set(err, ERR_USAGE, "--label: at most %d at a time", MAX_LABELS);
		wish->labels[wish->n_labels++] = value;
	}
	return 0;
}

int verb_set(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	struct wish wish = { .name = NULL };
	char **words, sandbox[ID_SIZE];
	const char *value;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0)
		if (take_option(&wish, id, value, err) < 0)
			return -1;
	if (id < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n != 1)
		return cli_usage(cli, err, n < 1 ? "the name is missing" : "one name, please");
	if (!is_spec_change(&wish) && wish.balloon == NULL)
		return cli_usage(cli, err, "set what?");
	wish.name = words[0];
	if (cli_begin(cli, err) < 0 || target_find(&cli->config.host, wish.name, sandbox, err) < 0)
		return -1;
	if (is_spec_change(&wish) && change_spec(cli, &wish, sandbox, err) < 0)
		return -1;
	if (wish.balloon != NULL && balloon(cli, &wish, sandbox, err) < 0)
		return -1;
	return cli->json ? entryview_print(&cli->config.host, sandbox, err) : 0;
}
