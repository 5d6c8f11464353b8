/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* The types of values that [policy] alone has. */
#include "cli/config_policy.h"

#include <string.h>

#include "base/str.h"

#define MIB (1ULL << 20)

static const char *set_mib(const struct config_key *key, const struct toml_item *item, void *at)
{
	uint64_t bytes;

	if (strcmp(item->string, "none") == 0) {
		*(uint32_t *)at = 0;
		return NULL;
	}
	if (!str_to_size(item->string, &bytes) || bytes % MIB != 0)
		return "neither \"none\" nor a size in whole megabytes, such as \"2G\"";
	if (bytes < key->min || bytes / MIB > UINT32_MAX)
		return "less than one sandbox needs, or more than there is";
	*(uint32_t *)at = (uint32_t)(bytes / MIB);
	return NULL;
}

/* Any account that the host may have: those of a directory service are written in many ways. */
static bool is_account(const char *text)
{
	if (text[0] == '\0' || strlen(text) > STR_NAME_MAX)
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c >= '\x7f' || *c == '"')
			return false;
	return true;
}

static bool is_file(const char *text)
{
	static const char sha[] = "sha256:", hex[] = "0123456789abcdef",
			  name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "._-";
	size_t len = strlen(text);

	if (strncmp(text, sha, strlen(sha)) == 0)
		return len == strlen(sha) + 2 * (size_t)SPEC_DIGEST_SIZE &&
		       strspn(text + strlen(sha), hex) == len - strlen(sha);
	if (text[0] == '/')
		return len < SPEC_PATH_SIZE;
	return len > 0 && len < 64 && strspn(text, name) == len;
}

static const char *set_words(const struct config_key *key, const struct toml_item *item, void *at)
{
	struct policy_words *words = at;
	bool files = key->type == CONFIG_FILES;

	memset(words, 0, sizeof(*words));
	if (item->n_strings > POLICY_WORDS_MAX)
		return "too many: at most 16";
	for (size_t i = 0; i < item->n_strings; i++) {
		const char *text = item->strings[i];

		if (files && !is_file(text))
			return "neither a name, nor an absolute path, nor sha256: and 64 "
			       "lower-case "
			       "hex digits";
		if (!files && !is_account(text))
			return "not the name of an account";
		(void)str_copy(words->words[words->n++], sizeof(words->words[0]), text);
	}
	return NULL;
}

static const char *set_egress(const struct toml_item *item, void *at)
{
	struct egress *egress = at;
	const char *wrong = NULL;

	memset(egress, 0, sizeof(*egress));
	egress->limited = true;
	if (item->type == TOML_STRING)
		return strcmp(item->string, "any") == 0 || strcmp(item->string, "none") == 0
			       ? egress_add(egress, item->string, 1)
			       : "neither \"any\", nor \"none\", nor a list of networks";
	if (item->n_strings > SPEC_MAX_EGRESS)
		return "too many networks: at most 16";
	for (size_t i = 0; i < item->n_strings && wrong == NULL; i++)
		wrong = egress_add(egress, item->strings[i], item->n_strings);
	return wrong;
}

const char *config_policy_set(const struct config_key *key, const struct toml_item *item, void *at)
{
	switch (key->type) {
	case CONFIG_MIB:
		return set_mib(key, item, at);
	case CONFIG_EGRESS:
		return set_egress(item, at);
	default:
		return set_words(key, item, at);
	}
}

/* What nobody asked for must not be refused. */
int config_policy_check(const struct config *config, const char *name, struct err *err)
{
	const struct policy *policy = &config->policy;
	const char *key = NULL;

	if (policy->max_cpus != 0 && config->cpus > policy->max_cpus)
		key = "cpus";
	if (policy->max_memory_mib != 0 && config->memory_bytes > policy->max_memory_mib * MIB)
		key = "memory";
	if (policy->max_disk_mib != 0 && config->disk_bytes > policy->max_disk_mib * MIB)
		key = "disk";
	if (key != NULL)
		return err_set(err, ERR_USAGE, "%s: sandbox.%s is more than policy.max_%s", name,
			       key, key);
	return 0;
}
