/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_GATE_H
#define KEEPER_GATE_H

#include <stddef.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * The gate: table `inet mayfly`, host-wide, made once by host up. It drops whatever comes from or goes to a mayfly tap
 * without a mark of ours, so that a sandbox whose own table is gone (keeper killed) has no network at all; it keeps
 * sandboxes from each other, from the host and from metadata services, and does the NAT.
 *
 * A socket of the host that is to reach a guest (published ports) sets SO_MARK to the sandbox's mark.
 */
#define GATE_TEXT_MAX 8192

/* Load the gate, replacing an older one of ours in the same batch. ERR_EXISTS when `inet mayfly` is somebody else's. */
int gate_up(const struct host_config *host, struct err *err);

/* Remove it; absence is success; a table of that name that isn't ours stays: ERR_FAILED. */
int gate_down(struct err *err);

/* 1: the gate for these marks is loaded; 0: none, or one for other marks; -1: can't tell, err. */
int gate_present(const struct host_config *host, struct err *err);

/* The commands that gate_up runs. Pure. */
void gate_text(const struct host_config *host, char buf[GATE_TEXT_MAX]);

#endif
