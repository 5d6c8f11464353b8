/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/policy.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/catalogue.h"
#include "cli/digest.h"
#include "cli/who.h"
#include "store/totals.h"

#define MIB	  (1ULL << 20)
#define LIST_SIZE 160 /* of a list's text in a message */
#define DNS_PORT  53
#define WORD_SHA  "sha256:"

/* ---- texts ---- */

/* Append; what doesn't fit is left out. */
static void add(char *text, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text + len, size - len, fmt, args);
	va_end(args);
}

/* A list as the TOML has it, cut where it is long. */
static void list_begin(char out[LIST_SIZE])
{
	(void)snprintf(out, LIST_SIZE, "[");
}

static void list_add(char out[LIST_SIZE], const char *word)
{
	add(out, LIST_SIZE - 4, "%s\"%s\"", out[1] != '\0' ? ", " : "", word);
}

static const char *list_end(char out[LIST_SIZE])
{
	if (strlen(out) >= LIST_SIZE - 5)
		(void)snprintf(out + LIST_SIZE - 8, 8, "...");
	add(out, LIST_SIZE, "]");
	return out;
}

static const char *words_text(const struct policy_words *words, char out[LIST_SIZE])
{
	list_begin(out);
	for (unsigned i = 0; i < words->n; i++)
		list_add(out, words->words[i]);
	return list_end(out);
}

static const char *egress_list_text(const struct egress *egress, char out[LIST_SIZE])
{
	char network[EGRESS_TEXT_SIZE];

	if (!egress->limited || egress->n == 0) {
		(void)snprintf(out, LIST_SIZE, "\"%s\"", egress->limited ? "none" : "any");
		return out;
	}
	list_begin(out);
	for (unsigned i = 0; i < egress->n; i++)
		list_add(out, egress_text(&egress->list[i], network));
	return list_end(out);
}

/* ---- who ---- */

static bool is_among(const struct policy_words *words, const char *word)
{
	for (unsigned i = 0; i < words->n; i++)
		if (strcmp(words->words[i], word) == 0)
			return true;
	return false;
}

bool policy_lets(const struct policy *policy, const char *name, char *const groups[],
		 size_t n_groups)
{
	if (policy->users.n == 0 && policy->groups.n == 0)
		return true;
	if (is_among(&policy->users, name))
		return true;
	for (size_t i = 0; i < n_groups; i++)
		if (is_among(&policy->groups, groups[i]))
			return true;
	return false;
}

int policy_check_who(const struct policy *policy, struct err *err)
{
	char users[LIST_SIZE], groups[LIST_SIZE];
	struct who who;
	bool lets;

	who_ask(&who);
	lets = policy_lets(policy, who.name, who.groups, who.n_groups);
	who_free(&who);
	if (lets)
		return 0;
	return err_set(err, ERR_FAILED, "[policy] users = %s, groups = %s refuses %s",
		       words_text(&policy->users, users), words_text(&policy->groups, groups),
		       who.name);
}

/* ---- one sandbox ---- */

static int refuse_size(struct err *err, const char *key, uint32_t limit_mib, uint64_t bytes)
{
	char limit[TOTALS_SIZE_TEXT], asked[TOTALS_SIZE_TEXT];

	return err_set(err, ERR_USAGE, "[policy] %s = \"%s\" refuses %s", key,
		       totals_size(limit_mib, limit), totals_size(bytes / MIB, asked));
}

int policy_check_cpus(const struct policy *policy, uint32_t cpus, struct err *err)
{
	if (policy->max_cpus == 0 || cpus <= policy->max_cpus)
		return 0;
	return err_set(err, ERR_USAGE, "[policy] max_cpus = %u refuses %u", policy->max_cpus, cpus);
}

int policy_check_memory(const struct policy *policy, uint64_t bytes, struct err *err)
{
	if (policy->max_memory_mib == 0 || bytes <= policy->max_memory_mib * MIB)
		return 0;
	return refuse_size(err, "max_memory", policy->max_memory_mib, bytes);
}

int policy_check_disk(const struct policy *policy, uint64_t bytes, struct err *err)
{
	if (policy->max_disk_mib == 0 || bytes <= policy->max_disk_mib * MIB)
		return 0;
	return refuse_size(err, "max_disk", policy->max_disk_mib, bytes);
}

/* A name of the catalogue, a path, or a digest of what is in it. */
static bool is_file(const struct config *config, enum guestfile_kind kind, const char *word,
		    const char *path, const uint8_t digest[SPEC_DIGEST_SIZE])
{
	uint8_t wanted[SPEC_DIGEST_SIZE];
	char named[SPEC_PATH_SIZE], real[PATH_MAX];
	struct err ignored;

	if (strncmp(word, WORD_SHA, strlen(WORD_SHA)) == 0)
		return digest_is_known(digest) && digest_parse(word + strlen(WORD_SHA), wanted) &&
		       memcmp(wanted, digest, sizeof(wanted)) == 0;
	/* a name that the catalogue doesn't know is no file of the folder that somebody stands in */
	return catalogue_find(config, kind, "policy", word, named, &ignored) == 0 &&
	       named[0] == '/' && strcmp(realpath(named, real) != NULL ? real : named, path) == 0;
}

static int check_file(const struct config *config, enum guestfile_kind kind,
		      const struct policy_words *words, const char *key, const char *path,
		      const uint8_t digest[SPEC_DIGEST_SIZE], struct err *err)
{
	char list[LIST_SIZE], hex[DIGEST_TEXT_SIZE];

	for (unsigned i = 0; i < words->n; i++)
		if (is_file(config, kind, words->words[i], path, digest))
			return 0;
	if (words->n == 0)
		return 0;
	return err_set(err, ERR_USAGE, "[policy] %s = %s refuses %.120s (" WORD_SHA "%s)", key,
		       words_text(words, list), path, digest_text(digest, hex));
}

static struct egress asked_egress(const struct spec *spec)
{
	struct egress egress = { .limited = (spec->flags & SPEC_EGRESS_LIMITED) != 0,
				 .n = spec->n_egress };

	memcpy(egress.list, spec->egress, sizeof(egress.list));
	return egress;
}

static int check_egress(const struct policy *policy, const struct egress *asked, struct err *err)
{
	char list[LIST_SIZE], network[EGRESS_TEXT_SIZE];

	if (policy->egress.limited && !asked->limited)
		return err_set(err, ERR_USAGE, "[policy] egress = %s refuses any",
			       egress_list_text(&policy->egress, list));
	for (unsigned i = 0; i < asked->n; i++)
		if (!egress_allows(&policy->egress, &asked->list[i]))
			return err_set(err, ERR_USAGE, "[policy] egress = %s refuses %s",
				       egress_list_text(&policy->egress, list),
				       egress_text(&asked->list[i], network));
	return 0;
}

int policy_check_spec(const struct config *config, const struct spec *spec, struct err *err)
{
	const struct policy *policy = &config->policy;
	const struct egress asked = asked_egress(spec);

	if (policy_check_cpus(policy, spec->vcpus, err) < 0 ||
	    policy_check_memory(policy, spec->memory_bytes, err) < 0 ||
	    policy_check_disk(policy, spec->disk_bytes, err) < 0 ||
	    check_file(config, GUESTFILE_KERNEL, &policy->kernels, "kernels", spec->kernel,
		       spec->kernel_sha256, err) < 0 ||
	    check_file(config, GUESTFILE_IMAGE, &policy->images, "images", spec->image,
		       spec->image_sha256, err) < 0)
		return -1;
	return (spec->flags & SPEC_EGRESS_ASKED) != 0 ? check_egress(policy, &asked, err) : 0;
}

/* ---- egress ---- */

static void put_egress(const struct egress *egress, struct spec *spec)
{
	spec->flags &= ~(uint32_t)SPEC_EGRESS_LIMITED;
	spec->flags |= egress->limited ? SPEC_EGRESS_LIMITED : 0;
	spec->n_egress = egress->n;
	memcpy(spec->egress, egress->list, sizeof(spec->egress));
}

void policy_give_egress(const struct policy *policy, struct spec *spec)
{
	if ((spec->flags & SPEC_EGRESS_ASKED) == 0)
		put_egress(&policy->egress, spec);
}

/* What would look like a broken network from inside. */
static void warn_resolvers(const struct egress *egress, const struct spec *spec)
{
	if ((spec->flags & SPEC_NET) == 0 || !egress->limited || egress->n == 0)
		return;
	for (unsigned i = 0; i < SPEC_MAX_RESOLVERS && spec->resolvers[i][0] != '\0'; i++) {
		struct spec_egress server;

		if (egress_parse_network(spec->resolvers[i], &server) != NULL)
			continue;
		server.port = DNS_PORT;
		if (egress_allows(egress, &server))
			return;
	}
	log_warning("no name resolves inside: none of its resolvers is in its egress" ERR_MEND
		    "add one, as %s:53",
		    spec->resolvers[0][0] != '\0' ? spec->resolvers[0] : "ADDRESS");
}

static int take_words(struct egress *egress, const char *const words[], size_t n, struct err *err)
{
	char copy[1024], *save = NULL;
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		total++;
		for (const char *at = strchr(words[i], ','); at != NULL; at = strchr(at + 1, ','))
			total++;
	}
	for (size_t i = 0; i < n; i++) {
		if (!str_copy(copy, sizeof(copy), words[i]) || words[i][0] == '\0')
			return err_set(err, ERR_USAGE, "--egress %.60s: not a list of networks",
				       words[i]);
		for (char *word = strtok_r(copy, ",", &save); word != NULL;
		     word = strtok_r(NULL, ",", &save)) {
			const char *wrong = egress_add(egress, word, total);

			if (wrong != NULL)
				return err_set(err, ERR_USAGE, "--egress %.60s: %s", word, wrong);
		}
	}
	return 0;
}

int policy_take_egress(const struct policy *policy, const char *const words[], size_t n,
		       struct spec *spec, struct err *err)
{
	struct egress asked = { .limited = true };

	if (n > 0) {
		if (take_words(&asked, words, n, err) < 0 || check_egress(policy, &asked, err) < 0)
			return -1;
		spec->flags |= SPEC_EGRESS_ASKED;
		put_egress(&asked, spec);
	}
	policy_give_egress(policy, spec);
	asked = asked_egress(spec);
	warn_resolvers(&asked, spec);
	return 0;
}

/* ---- what doctor says ---- */

static void add_count(char *text, size_t size, const char *what, uint64_t taken, uint32_t limit)
{
	add(text, size, ", %llu ", (unsigned long long)taken);
	if (limit != 0)
		add(text, size, "of %u ", limit);
	add(text, size, "%s", what);
}

static void add_size(char *text, size_t size, const char *what, uint64_t taken, uint32_t limit)
{
	char number[TOTALS_SIZE_TEXT];

	add(text, size, ", %s ", totals_size(taken, number));
	if (limit != 0)
		add(text, size, "of %s ", totals_size(limit, number));
	add(text, size, "%s", what);
}

int policy_summary(const struct config *config, char *text, size_t size)
{
	const struct policy *policy = &config->policy;
	const struct host_totals *may = &config->host.totals;
	struct spec least = { .vcpus = 1, .memory_bytes = CONFIG_MEMORY_MIN };
	struct totals totals;
	struct err err;

	text[0] = '\0';
	if (policy_check_who(policy, &err) < 0) {
		add(text, size, "%s", err.text);
		return 1;
	}
	add(text, size, "you may create");
	if (totals_look(&config->host, "", TOTALS_KEPT | TOTALS_RUNNING, &totals, &err) < 0)
		return 0; /* only root can look */
	add(text, size, "; there are %u ", totals.sandboxes);
	if (may->sandboxes != 0)
		add(text, size, "of %u ", may->sandboxes);
	add(text, size, "sandboxes");
	add_size(text, size, "of disk", totals.disk_mib, may->disk_mib);
	add_count(text, size, "CPUs running", totals.cpus, may->cpus);
	add_size(text, size, "of memory", totals.memory_mib, may->memory_mib);
	least.host = config->host;
	least.disk_bytes = CONFIG_DISK_MIN;
	return totals_decide(&least, TOTALS_KEPT | TOTALS_RUNNING, &totals, &err) < 0;
}
