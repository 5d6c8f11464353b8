/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_TELL_H
#define KEEPER_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proto/spec.h"

struct keeper;
struct teardown;

/*
 * What the hook is told, as docs/schema/hook.json describes it: one object for each event, all names in each, null where one
 * doesn't apply. Nothing is done where the site has no hook, and nothing that goes wrong here is more than a line in the log.
 */
void tell_notice(struct keeper *k, uint32_t before_s, uint64_t left_s);
/* Of one that is stopped. */
void tell_rest(const struct spec *spec, int64_t deadline_s, uint32_t before_s, uint64_t left_s);
void tell_renewed(struct keeper *k, const char *who, const char *why);

/* Whom an end is about: read before its files go. */
struct tell_end {
	bool wanted;
	struct spec_about {
		char owner[STR_NAME_MAX + 1];
		char reason[SPEC_REASON_SIZE];
		char labels[SPEC_LABELS_SIZE];
	} about;
	int64_t deadline_s; /* 0: unknown */
};

void tell_end_begin(const struct teardown *t, struct tell_end *end);
/* It has ended, all that goes is gone. */
void tell_end(const struct teardown *t, const struct tell_end *end);

#endif
