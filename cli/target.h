/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "base/err.h"
#include "base/id.h"
#include "base/proto/spec.h"

/*
 * Which sandbox a word on the command line means: its name or its whole id. (A part of an id is no
 * name: what was meant as a name must not hit another sandbox.) 0, or -1 with err: ERR_USAGE,
 * ERR_NOT_FOUND.
 */
int target_find(const struct host_config *host, const char *word, char id[ID_SIZE],
		struct err *err);

#endif
