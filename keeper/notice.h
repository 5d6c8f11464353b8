/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_NOTICE_H
#define KEEPER_NOTICE_H

#include <stdint.h>

#include "base/proto/spec.h"
#include "store/store.h"

struct keeper;

/*
 * Notices before the date. Each is told once for a date, whatever the clocks do: the nearest one that has come, as soon as
 * somebody runs who can be told. One that the life was too short for when it was granted is none of that life's.
 * What has been told stands in the journal, so a start after a stop knows it.
 */

/* Lists of up to SPEC_MAX_NOTICES times before the date in seconds, ended by 0; notices: the longest first. */

/* The notice that is to be told now, with left_s of granted_s left; 0: none. Pure. */
uint32_t notice_due(const uint32_t notices[SPEC_MAX_NOTICES], const uint32_t told[SPEC_MAX_NOTICES],
		    uint64_t granted_s, uint64_t left_s);

/* Seconds until the next may be due; UINT64_MAX: none will. Pure. */
uint64_t notice_wait(const uint32_t notices[SPEC_MAX_NOTICES], uint64_t left_s);

/* What an earlier run has told of the same date. Once, before the first look. */
void notice_recall(struct keeper *k);

/* The date was looked at: tell what is due. */
void notice_look(struct keeper *k, uint64_t left_s);

/* One that is stopped, whose lock the caller has: nobody is inside, but there may be a hook. left_s: not 0. */
void notice_rest(const struct spec *spec, const struct deadline_record *deadline, uint64_t left_s);

/* A new date: nothing of it has been told. */
void notice_forget(struct keeper *k);

#endif
