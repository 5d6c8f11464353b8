/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_GROUP_H
#define KEEPER_HOST_GROUP_H

#include "base/err.h"

/* Is there a group of that name? 1, 0, or -1 with err: one that can't be looked up isn't absent, or it would be taken for ours. */
int host_group_there(const char *name, struct err *err);

#endif
