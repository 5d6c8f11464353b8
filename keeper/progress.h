/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PROGRESS_H
#define KEEPER_PROGRESS_H

#include <stdint.h>

#include "base/proto/ctl.h"

struct keeper;

/* Send one record to the CLI; it is dropped from then on when it has gone. text may be longer than fits. */
void progress_tell(struct keeper *k, uint32_t type, uint32_t code, const char *text);

/* Make a record about a sandbox. */
struct ctl_record progress_record(const char *id, const char *name, uint32_t type, uint32_t code,
				  const char *text);

/* sd_notify(3)'s protocol: state on $NOTIFY_SOCKET, if there is one. */
void progress_notify(const char *state);

#endif
