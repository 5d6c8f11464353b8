/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* The site's configuration: the input is the file. What is accepted is also fit for a keeper. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "cli/config.h"
#include "store/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	bool seen[64] = { false };
	struct err err = { 0 };

	BUG_ON(config_n_keys > sizeof(seen));
	config_defaults(&config, NULL);
	if (config_parse(&config, "fuzz", (const char *)data, size, seen, &err) < 0) {
		BUG_ON(err.code == ERR_NONE || err.text[0] == '\0');
		return 0;
	}
	BUG_ON(spec_check_host(&config.host, &err) < 0);
	BUG_ON(config.default_ttl_s > config.max_ttl_s);
	for (size_t i = 0; i < SPEC_MAX_RESOLVERS; i++)
		BUG_ON(strnlen(config.resolvers[i], 46) == 46);
	return 0;
}
