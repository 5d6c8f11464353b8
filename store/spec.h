/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_SPEC_H
#define STORE_SPEC_H

#include "base/err.h"
#include "base/proto/spec.h"

/* What every spec must be, whoever wrote it: sizes, terminated texts, ranges. 0, or -1 with err (ERR_USAGE). */
int spec_check(const struct spec *spec, struct err *err);
/* The same for the host's part alone. */
int spec_check_host(const struct host_config *host, struct err *err);

/* Read and check the spec at path; struct spec is 25 KB: static or heap, not a small stack. 0, or -1 with err
 * (ERR_NOT_FOUND when there is none). */
int spec_read(const char *path, struct spec *spec, struct err *err);

/* Write a checked spec as STATE_DIR/spool/ID (0600, durable). Makes the directories. 0, or -1 with err. */
int spec_write_spool(const struct spec *spec, struct err *err);

/* Replace the spec of a sandbox that is there, durably and at once. 0, or -1 with err. */
int spec_write_sandbox(const struct spec *spec, struct err *err);

#endif
