/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_GROUP_H
#define STORE_GROUP_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Is there a group of that name? 1 with *gid, 0 (*gid is 0), or -1 with err: one that can't be looked up isn't absent, or it would be
 * taken for ours, and what is its members' from them.
 */
int group_find(const char *name, gid_t *gid, struct err *err);

#endif
