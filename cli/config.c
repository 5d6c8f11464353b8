/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/config.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/str.h"
#include "cli/config_policy.h"
#include "cli/limits.h"
#include "cli/toml.h"

/*
 * One per key and type: put the value of item where the key says, or say in err what is wrong with
 * it.
 */
typedef int setter_fn(const struct config_key *key, const struct toml_item *item, void *at,
		      struct config *config, struct err *err);

static int bad(struct err *err, const struct config_key *key, const char *what)
{
	return err_set(err, ERR_USAGE, "%s.%s: %s", key->section, key->key, what);
}

static int bad_range(struct err *err, const struct config_key *key, const char *min,
		     const char *max)
{
	return err_set(err, ERR_USAGE, "%s.%s: out of range: %s to %s", key->section, key->key, min,
		       max);
}

static int parse_duration(const struct config_key *key, const struct toml_item *item,
			  uint64_t *seconds, struct err *err)
{
	bool none = key->min == 0 && strcmp(item->string, "0s") == 0;
	char min[32], max[32];

	*seconds = 0;
	if (!none && !str_to_duration(item->string, seconds))
		return bad(err, key, "not a duration: write it as 30s, 10m, 2h, 7d or 2w");
	if (*seconds < key->min || *seconds > key->max)
		return bad_range(err, key, str_from_duration(key->min, min, sizeof(min)),
				 str_from_duration(key->max, max, sizeof(max)));
	return 0;
}

static int set_duration(const struct config_key *key, const struct toml_item *item, void *at,
			struct config *config, struct err *err)
{
	(void)config;
	return parse_duration(key, item, at, err);
}

static int set_seconds(const struct config_key *key, const struct toml_item *item, void *at,
		       struct config *config, struct err *err)
{
	uint64_t seconds;

	(void)config;
	if (parse_duration(key, item, &seconds, err) < 0)
		return -1;
	*(uint32_t *)at = (uint32_t)seconds;
	return 0;
}

static int set_size(const struct config_key *key, const struct toml_item *item, void *at,
		    struct config *config, struct err *err)
{
	char min[32], max[32], step[32];
	uint64_t bytes;

	(void)config;
	if (!str_to_size(item->string, &bytes))
		return bad(err, key, "not a size: write it as \"512M\" or \"8G\"");
	if (bytes < key->min || bytes > key->max)
		return bad_range(err, key, str_from_size(key->min, min, sizeof(min)),
				 str_from_size(key->max, max, sizeof(max)));
	if (bytes % key->step != 0)
		return err_set(err, ERR_USAGE, "%s.%s: not a multiple of %s", key->section,
			       key->key, str_from_size(key->step, step, sizeof(step)));
	*(uint64_t *)at = bytes;
	return 0;
}

static int set_path(const struct config_key *key, const struct toml_item *item, void *at,
		    struct config *config, struct err *err)
{
	(void)config;
	if (item->string[0] != '/')
		return bad(err, key, "not an absolute path");
	if (strlen(item->string) >= SPEC_PATH_SIZE)
		return bad(err, key, "path too long: at most 255 bytes");
	memset(at, 0, SPEC_PATH_SIZE);
	(void)str_copy(at, SPEC_PATH_SIZE, item->string);
	return 0;
}

/* useradd's rule: a lower-case letter or underscore, then those, digits and hyphens, at most 32. */
static int set_name(const struct config_key *key, const struct toml_item *item, void *at,
		    struct config *config, struct err *err)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	const char *text = item->string;
	size_t len = strlen(text);

	(void)config;
	if (len == 0 || len > 32 || strchr(first, text[0]) == NULL ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789-") != len)
		return bad(err, key,
			   "not a name: lower-case letters, digits, _ and -, at most 32, first a "
			   "letter");
	memset(at, 0, STR_NAME_MAX + 1);
	(void)str_copy(at, STR_NAME_MAX + 1, text);
	return 0;
}

static int set_number(const struct config_key *key, const struct toml_item *item, void *at,
		      struct config *config, struct err *err)
{
	char min[24], max[24];

	(void)config;
	if (item->integer < (int64_t)key->min || item->integer > (int64_t)key->max) {
		(void)snprintf(min, sizeof(min), "%llu", (unsigned long long)key->min);
		(void)snprintf(max, sizeof(max), "%llu", (unsigned long long)key->max);
		return bad_range(err, key, min, max);
	}
	*(uint32_t *)at = (uint32_t)item->integer;
	return 0;
}

static int set_flag(const struct config_key *key, const struct toml_item *item, void *at,
		    struct config *config, struct err *err)
{
	(void)key;
	(void)config;
	(void)err;
	*(uint8_t *)at = item->integer != 0;
	return 0;
}

static int set_require(const struct config_key *key, const struct toml_item *item, void *at,
		       struct config *config, struct err *err)
{
	(void)config;
	if (strcmp(item->string, "require") != 0 && strcmp(item->string, "prefer") != 0)
		return bad(err, key, "neither \"require\" nor \"prefer\"");
	*(uint8_t *)at = strcmp(item->string, "require") == 0;
	return 0;
}

/* "ADDRESS/LENGTH" → the address (text) and the length. */
static bool split_network(const char *text, char address[64], uint64_t *length)
{
	const char *slash = strchr(text, '/');

	if (slash == NULL || slash - text >= 64 || !str_to_u64(slash + 1, 128, length))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	return true;
}

static int set_pool4(const struct config_key *key, const struct toml_item *item, void *at,
		     struct config *config, struct err *err)
{
	char address[64];
	struct in_addr network;
	uint64_t length;
	uint32_t bits;

	if (!split_network(item->string, address, &length) ||
	    inet_pton(AF_INET, address, &network) != 1)
		return bad(err, key, "not an IPv4 network: write it as \"10.215.0.0/16\"");
	if (length < key->min || length > key->max)
		return bad(err, key, "prefix length out of range: /8 to /30");
	bits = ntohl(network.s_addr);
	if ((bits & (UINT32_MAX >> length)) != 0)
		return bad(err, key, "has bits set behind its prefix length");
	*(uint32_t *)at = bits;
	config->host.pool4_prefix = (uint32_t)length;
	return 0;
}

static int set_pool6(const struct config_key *key, const struct toml_item *item, void *at,
		     struct config *config, struct err *err)
{
	static const uint8_t zero[8];
	char address[64];
	struct in6_addr network;
	uint64_t length;

	(void)config;
	if (!split_network(item->string, address, &length) ||
	    inet_pton(AF_INET6, address, &network) != 1 || length != 64 ||
	    (network.s6_addr[0] & 0xfe) != 0xfc)
		return bad(err, key, "not a /64 of unique local addresses (fc00::/7)");
	if (memcmp(network.s6_addr + 8, zero, sizeof(zero)) != 0)
		return bad(err, key, "has bits set behind its prefix length");
	memcpy(at, network.s6_addr, 16);
	return 0;
}

static bool is_loopback(int family, const void *address)
{
	if (family == AF_INET)
		return *(const uint8_t *)address == 127;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)address);
}

static int set_addresses(const struct config_key *key, const struct toml_item *item, void *at,
			 struct config *config, struct err *err)
{
	char(*out)[46] = at;
	uint8_t address[16];

	(void)config;
	if (item->n_strings > key->max)
		return bad(err, key, "too many addresses: at most 3");
	for (size_t i = 0; i < item->n_strings; i++) {
		int family = strchr(item->strings[i], ':') != NULL ? AF_INET6 : AF_INET;

		if (inet_pton(family, item->strings[i], address) != 1)
			return bad(err, key, "not a list of IPv4 or IPv6 addresses");
		if (is_loopback(family, address))
			return bad(
				err, key,
				"a loopback address is the sandbox itself, when seen from inside");
		(void)str_copy(out[i], sizeof(out[i]), item->strings[i]);
	}
	return 0;
}

/* Texts are those of a list, or of the default, with blanks between. */
static int add_notice(const struct config_key *key, const char *text, uint32_t *notices,
		      struct err *err)
{
	const struct toml_item one = { .string = text };
	uint64_t seconds;
	size_t at = 0;

	if (parse_duration(key, &one, &seconds, err) < 0)
		return -1;
	while (at < SPEC_MAX_NOTICES && notices[at] > seconds)
		at++;
	if (at < SPEC_MAX_NOTICES && notices[at] == seconds)
		return bad(err, key, "the same time twice");
	if (notices[SPEC_MAX_NOTICES - 1] != 0)
		return bad(err, key, "too many notices: at most 8");
	memmove(&notices[at + 1], &notices[at], (SPEC_MAX_NOTICES - 1 - at) * sizeof(notices[0]));
	notices[at] = (uint32_t)seconds;
	return 0;
}

static int set_notices(const struct config_key *key, const struct toml_item *item, void *at,
		       struct config *config, struct err *err)
{
	char words[128] = "", *save = NULL;

	(void)config;
	memset(at, 0, SPEC_MAX_NOTICES * sizeof(uint32_t));
	for (size_t i = 0; i < item->n_strings && i < TOML_MAX_STRINGS; i++)
		if (add_notice(key, item->strings[i], at, err) < 0)
			return -1;
	(void)str_copy(words, sizeof(words), item->string != NULL ? item->string : "");
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (add_notice(key, word, at, err) < 0)
			return -1;
	return 0;
}

static int set_hook(const struct config_key *key, const struct toml_item *item, void *at,
		    struct config *config, struct err *err)
{
	memset(at, 0, SPEC_PATH_SIZE);
	return item->string[0] != '\0' ? set_path(key, item, at, config, err) : 0;
}

static int set_rate(const struct config_key *key, const struct toml_item *item, void *at,
		    struct config *config, struct err *err)
{
	const char *wrong = limits_parse_rate(item->string, key->max > 0, at);

	(void)config;
	return wrong != NULL ? bad(err, key, wrong) : 0;
}

static int set_policy(const struct config_key *key, const struct toml_item *item, void *at,
		      struct config *config, struct err *err)
{
	const char *wrong = config_policy_set(key, item, at);

	(void)config;
	return wrong != NULL ? bad(err, key, wrong) : 0;
}

static const struct {
	setter_fn *set;
	enum toml_type toml;
	const char *expected;
} types[CONFIG_TYPES] = {
	[CONFIG_DURATION] = { set_duration, TOML_STRING, "a duration in quotes, such as \"7d\"" },
	[CONFIG_SECONDS] = { set_seconds, TOML_STRING, "a duration in quotes, such as \"10s\"" },
	[CONFIG_SIZE] = { set_size, TOML_STRING, "a size in quotes, such as \"512M\"" },
	[CONFIG_PATH_TYPE] = { set_path, TOML_STRING, "a path in quotes" },
	[CONFIG_NAME] = { set_name, TOML_STRING, "a name in quotes" },
	[CONFIG_NUMBER] = { set_number, TOML_INTEGER, "a whole number" },
	[CONFIG_FLAG] = { set_flag, TOML_BOOLEAN, "true or false" },
	[CONFIG_REQUIRE] = { set_require, TOML_STRING, "\"require\" or \"prefer\"" },
	[CONFIG_POOL4] = { set_pool4, TOML_STRING, "an IPv4 network in quotes" },
	[CONFIG_POOL6] = { set_pool6, TOML_STRING, "an IPv6 network in quotes" },
	[CONFIG_ADDRESSES] = { set_addresses, TOML_STRINGS, "a list of addresses in quotes" },
	[CONFIG_NOTICES] = { set_notices, TOML_STRINGS, "a list of durations in quotes" },
	[CONFIG_HOOK] = { set_hook, TOML_STRING, "a path in quotes, or \"\"" },
	[CONFIG_MIB] = { set_policy, TOML_STRING, "a size in quotes, or \"none\"" },
	[CONFIG_NAMES] = { set_policy, TOML_STRINGS, "a list of names in quotes" },
	[CONFIG_FILES] = { set_policy, TOML_STRINGS,
			   "a list of names, paths or digests in quotes" },
	[CONFIG_EGRESS] = { set_policy, TOML_STRING, "\"any\", \"none\" or a list of networks" },
	[CONFIG_RATE] = { set_rate, TOML_STRING, "a rate in quotes, such as \"10M\"" },
};

static int set(struct config *config, const struct config_key *key, const struct toml_item *item,
	       struct err *err)
{
	bool list = key->type == CONFIG_EGRESS && item->type == TOML_STRINGS;

	if (item->type != types[key->type].toml && !list)
		return err_set(err, ERR_USAGE, "%s.%s: expected %s", key->section, key->key,
			       types[key->type].expected);
	return types[key->type].set(key, item, (char *)config + key->offset, config, err);
}

/* Is there a program or file beside ours that a built tree offers? */
static bool find_beside(const char *exe_dir, const char *beside, char path[SPEC_PATH_SIZE])
{
	if (exe_dir == NULL)
		return false;
	return snprintf(path, SPEC_PATH_SIZE, "%s/%s", exe_dir, beside) < SPEC_PATH_SIZE &&
	       access(path, F_OK) == 0;
}

/* Another PREFIX than /usr: its files stand as far from its programs as the defaults do from /usr/bin. */
static bool find_installed(const char *exe_dir, const char *fallback, char path[SPEC_PATH_SIZE])
{
	char below[SPEC_PATH_SIZE], real[PATH_MAX];

	if (exe_dir == NULL || strncmp(fallback, "/usr/", 5) != 0)
		return false;
	return snprintf(below, sizeof(below), "%s/../%s", exe_dir, fallback + 5) <
		       (int)sizeof(below) &&
	       realpath(below, real) != NULL && str_copy(path, SPEC_PATH_SIZE, real);
}

static const char *find_default(const char *exe_dir, const struct config_key *key,
				char path[SPEC_PATH_SIZE])
{
	if (key->beside != NULL && (find_beside(exe_dir, key->beside, path) ||
				    find_installed(exe_dir, key->fallback, path)))
		return path;
	return key->fallback;
}

void config_defaults(struct config *config, const char *exe_dir)
{
	char path[SPEC_PATH_SIZE];
	struct err err;

	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct config_key *key = &config_keys[i];
		struct toml_item item = {
			.type = types[key->type].toml,
			.string = find_default(exe_dir, key, path),
			.integer = key->fallback_number,
		};
		int rc = set(config, key, &item, &err);

		BUG_ON(rc < 0);
	}
}

struct parsing {
	struct config *config;
	bool *seen;
};

static int take_item(void *arg, const struct toml_item *item, struct err *err)
{
	struct parsing *parsing = arg;
	bool section_known = false;

	for (size_t i = 0; i < config_n_keys; i++) {
		if (strcmp(config_keys[i].section, item->section) != 0)
			continue;
		section_known = true;
		if (item->type == TOML_SECTION || strcmp(config_keys[i].key, item->key) != 0)
			continue;
		if (parsing->seen != NULL)
			parsing->seen[i] = true;
		return set(parsing->config, &config_keys[i], item, err);
	}
	if (item->section[0] == '\0')
		return err_set(err, ERR_USAGE,
			       "unknown key %.60s (keys live in sections such as [site])",
			       item->key);
	if (!section_known)
		return err_set(err, ERR_USAGE, "unknown section [%.60s]", item->section);
	return item->type == TOML_SECTION ? 0
					  : err_set(err, ERR_USAGE, "unknown key %.60s in [%.60s]",
						    item->key, item->section);
}

/* What no single key can tell. */
static int check_together(const struct config *config, const char *name, struct err *err)
{
	const struct host_config *host = &config->host;

	if (config->default_ttl_s > config->max_ttl_s)
		return err_set(err, ERR_USAGE, "%s: site.default_ttl is longer than site.max_ttl",
			       name);
	if (config->grace_s > config->max_grace_s)
		return err_set(err, ERR_USAGE, "%s: site.grace is longer than site.max_grace",
			       name);
	if (config_policy_check(config, name, err) < 0)
		return -1;
	if (host->slot_count > 1ULL << (31 - host->pool4_prefix))
		return err_set(err, ERR_USAGE,
			       "%s: network.pool4 has room for %llu sandboxes, jail.slots is %u",
			       name, 1ULL << (31 - host->pool4_prefix), host->slot_count);
	if (host->mark_base > UINT32_MAX - host->slot_count ||
	    host->uid_base > UINT32_MAX - 2 - host->slot_count)
		return err_set(
			err, ERR_USAGE,
			"%s: jail.slots go beyond 32 bits of network.mark_base or jail.uid_base",
			name);
	for (uint32_t slot = 0; slot < host->slot_count; slot++) {
		if (((host->mark_base + slot) & host->mark_mask) != host->mark_base)
			return err_set(err, ERR_USAGE,
				       "%s: network.mark_mask must leave room for jail.slots marks "
				       "above mark_base",
				       name);
	}
	return 0;
}

int config_parse(struct config *config, const char *name, const char *text, size_t len, bool *seen,
		 struct err *err)
{
	struct parsing parsing = { config, seen };

	if (toml_read(name, text, len, take_item, &parsing, err) < 0)
		return -1;
	return check_together(config, name, err);
}
