/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * mayfly-inventory: what is on this host, and what has changed.
 *
 *	mayfly-inventory [--except PATH]…                       print the inventory
 *	mayfly-inventory --kinds                                print the names of the kinds
 *	mayfly-inventory [--except PATH]… --since FILE [--settle SECONDS]
 *		compare with an inventory taken before: the differences and exit 1, or "nothing left (N kinds looked at)" and
 *		exit 0. With --settle it looks again until nothing differs or the time is over: processes of others come and
 *		go, and the kernel frees some things late.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/str.h"
#include "inventory/inventory.h"

#define MAX_EXCEPT 32

struct options {
	const char *except[MAX_EXCEPT + 1];
	size_t n_except;
	const char *since;
	uint64_t settle_s;
	bool kinds;
};

static int usage(void)
{
	log_error("usage: mayfly-inventory --kinds | [--except PATH]… [--since FILE [--settle "
		  "SECONDS]]");
	return ERR_USAGE;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "except", required_argument, NULL, 'e' },
		{ "since", required_argument, NULL, 's' },
		{ "kinds", no_argument, NULL, 'k' },
		{ "settle", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'e' && options->n_except < MAX_EXCEPT)
			options->except[options->n_except++] = optarg;
		else if (c == 's')
			options->since = optarg;
		else if (c == 'k')
			options->kinds = true;
		else if (c != 't' || !str_to_u64(optarg, 600, &options->settle_s))
			return -1;
	}
	return optind == argc ? 0 : -1;
}

static int load(const char *path, struct inventory *inventory, struct err *err)
{
	FILE *f = fopen(path, "re");
	int rc;

	if (f == NULL)
		return err_sys(err, "%s", path);
	rc = inventory_read(inventory, f, err);
	(void)fclose(f);
	return rc;
}

static time_t now_s(void)
{
	struct timespec now;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &now) < 0);
	return now.tv_sec;
}

static int compare(const struct options *options, struct err *err)
{
	const struct timespec nap = { .tv_nsec = 200L * 1000 * 1000 };
	struct inventory before = { 0 }, now = { .except = options->except };
	time_t end = now_s() + (time_t)options->settle_s;
	size_t n;

	if (load(options->since, &before, err) < 0 || inventory_take(&now, err) < 0)
		return -1;
	while ((n = inventory_difference(&before, &now, NULL)) > 0 && now_s() < end) {
		(void)nanosleep(&nap, NULL);
		inventory_fini(&now);
		if (inventory_take(&now, err) < 0)
			return -1;
	}
	(void)inventory_difference(&before, &now, stdout);
	if (n == 0)
		(void)printf("nothing left (%zu kinds looked at)\n", inventory_n_kinds);
	inventory_fini(&now);
	inventory_fini(&before);
	return n == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct inventory now = { .except = options.except };
	struct err err;
	int rc = 0;

	log_init("mayfly-inventory");
	if (parse(argc, argv, &options) < 0)
		return usage();
	for (size_t i = 0; options.kinds && i < inventory_n_kinds; i++)
		(void)printf("%s\n", inventory_kinds[i].name);
	if (options.kinds)
		return 0;
	if (options.since != NULL) {
		rc = compare(&options, &err);
	} else if ((rc = inventory_take(&now, &err)) == 0) {
		inventory_write(&now, stdout);
		inventory_fini(&now);
	}
	if (rc < 0) {
		log_error("%s", err.text);
		return ERR_FAILED;
	}
	return rc;
}
