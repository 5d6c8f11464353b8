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

/* The parent of sandboxes' cgroups where systemd does not own the tree, and the leaf for keepers. */
#define HOST_CGROUP_PARENT "mayfly"
#define HOST_CGROUP_KEEPERS "keepers"

/*
 * Where the cgroup v2 tree is mounted ("/sys/fs/cgroup" or "/sys/fs/cgroup/unified"): fills path. 0, or -1 with err when
 * there is none, or it lacks the controllers cpu, memory and pids (text says which).
 */
int host_cgroup_root(char path[SPEC_PATH_SIZE], struct err *err);

#endif
