/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_ACCOUNT_H
#define GUEST_INIT_ACCOUNT_H

#include "guest-init/config.h"

#define ACCOUNT_UID	    1000u
#define ACCOUNT_SSHD_CONFIG "/run/mayfly/sshd_config"

/*
 * The hostname, the project's account (uid 1000) and what sshd needs. Keys live in /run only: no key of a person stays
 * on a disk. The project owns its machine: the same keys open root's door.
 */
void account_set_up(const struct config *config);

#endif
