/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_POLICY_H
#define CLI_POLICY_H

#include <stddef.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"

/*
 * The site's policy, [policy] of the configuration, against what is asked for. Who is refused is told the key and its value:
 * `[policy] max_memory = "2G" refuses 4G`. What no command line like this will ever get is ERR_USAGE; what another person or
 * another day would get is ERR_FAILED. Totals over all sandboxes are the keeper's (store/totals.h).
 */

/* May whoever runs this (cli/who.h) create, run and renew? 0, or -1 with err. */
int policy_check_who(const struct policy *policy, struct err *err);

/* The decision alone: a person's name and the names of their groups. Pure. */
bool policy_lets(const struct policy *policy, const char *name, char *const groups[],
		 size_t n_groups);

/* May one sandbox have so many CPUs, so much memory, disk? 0, or -1 with err. Pure. */
int policy_check_cpus(const struct policy *policy, uint32_t cpus, struct err *err);
int policy_check_memory(const struct policy *policy, uint64_t bytes, struct err *err);
int policy_check_disk(const struct policy *policy, uint64_t bytes, struct err *err);

/* Size, kernel, image, and egress where that was asked for, as the spec has them. 0, or -1 with err. */
int policy_check_spec(const struct config *config, const struct spec *spec, struct err *err);

/*
 * What --egress asks for: words, each "any", "none" or networks with commas between; n 0: what the site gives. It may only be
 * less than the site gives. Warns of resolvers that it can't reach. 0, or -1 with err.
 */
int policy_take_egress(const struct policy *policy, const char *const words[], size_t n,
		       struct spec *spec, struct err *err);

/* What the site gives to those that asked for nothing. Pure. */
void policy_give_egress(const struct policy *policy, struct spec *spec);

/* One line on what the policy lets whoever runs this do, and how full the host is. 0; 1: something is refused for now. */
int policy_summary(const struct config *config, char *text, size_t size);

#endif
