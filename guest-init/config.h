/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_CONFIG_H
#define GUEST_INIT_CONFIG_H

#include "base/proto/guest.h"

/* What the host wants of this machine: the record of the initrd with its blobs. Read once, at start. */
struct config {
	struct guest_config record;
	const char *authorized_keys; /* record.authorized_keys_len bytes */
	const char *host_key;	     /* record.host_key_len bytes */
};

/* Read and check `path`; blobs stay in memory for good. 0, or -1 with a reason in *why. */
int config_load(const char *path, struct config *config, const char **why);

#endif
