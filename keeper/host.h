/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_H
#define KEEPER_HOST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * What is host-wide: directories, group, uid range, cgroup parent, gate, forwarding, Docker's accepts. Each step leaves
 * a line in STATE_DIR/host-state *before* it changes the host, so that host_down knows what to put back after a crash.
 */

/* Idempotent. One CTL_ITEM per step. On failure what was done stays, recorded; host_down or another host_up mends it. */
int host_up(const struct host_config *host, const struct sink *sink, struct err *err);

/*
 * Undo all of it, in reverse, and leave nothing. Refuses, naming them, while sandboxes run; with force it goes on (they
 * lose their network; the reaper takes the rest). State of sandboxes that do not run, and receipts, stay, and with them
 * the directories that hold them. A step that fails is reported and the others go on.
 */
int host_down(const struct host_config *host, bool force, const struct sink *sink, struct err *err);

/*
 * Where systemd does not own the tree, sandboxes' cgroups are below CGROUP_PARENT (jail/cgroup.h), and keepers that
 * detach from their creator's session move to this leaf of it.
 */
#define HOST_CGROUP_KEEPERS "keepers"

/* Does systemd own the cgroup tree here? Then host up makes no cgroup: units bring their own. */
bool host_has_systemd(void);

#endif
