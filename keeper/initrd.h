/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_INITRD_H
#define KEEPER_INITRD_H

#include "base/err.h"
#include "base/id.h"
#include "base/proto/guest.h"
#include "base/proto/spec.h"

/*
 * The guest's initrd: the common one, and behind it a second newc archive with GUEST_CONFIG_PATH
 * (Documentation/driver-api/early-userspace/buffer-format.rst), sealed in a memfd.
 */

/* What mayfly-init is told. now_ns: the host's real time. Pure. */
void initrd_config(const struct spec *spec, const struct slot_plan *plan, int64_t deadline_s,
		   int64_t now_ns, struct guest_config *config);

/* The memfd with base_fd's content and the configuration with the spec's keys; -1 with err. */
int initrd_make(int base_fd, const struct guest_config *config, const struct spec *spec,
		struct err *err);

#endif
