/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_ENVIRONMENT_H
#define GUEST_INIT_ENVIRONMENT_H

#include <pwd.h>

/* The environment of a fresh login of this account, and nothing else. For a forked child. */
void environment_set(const struct passwd *pw);

#endif
