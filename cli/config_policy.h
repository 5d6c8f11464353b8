/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_CONFIG_POLICY_H
#define CLI_CONFIG_POLICY_H

#include "cli/config.h"
#include "cli/toml.h"

/* Put an item where a key of type CONFIG_MIB, CONFIG_NAMES, CONFIG_FILES or CONFIG_EGRESS says. NULL, or what is wrong. Pure. */
const char *config_policy_set(const struct config_key *key, const struct toml_item *item, void *at);

/* Is sandbox.memory and its like within the policy? 0, or -1 with err. Pure. */
int config_policy_check(const struct config *config, const char *name, struct err *err);

#endif
