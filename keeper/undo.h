/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_UNDO_H
#define KEEPER_UNDO_H

#include "base/err.h"
#include "keeper/teardown.h"

/*
 * What the rows of the teardown table do. Each pair: make it absent (0, or -1 with err), and look whether it is (1 absent,
 * 0 there, -1 with err: can't tell). Absence is success everywhere.
 */

/* undo_kernel.c */
int undo_ports(struct teardown *t, struct err *err);
int undo_ports_absent(struct teardown *t, struct err *err);
int undo_monitor(struct teardown *t, struct err *err);
int undo_monitor_absent(struct teardown *t, struct err *err);
int undo_tap(struct teardown *t, struct err *err);
int undo_tap_absent(struct teardown *t, struct err *err);
int undo_table(struct teardown *t, struct err *err);
int undo_table_absent(struct teardown *t, struct err *err);
int undo_flows(struct teardown *t, struct err *err);
int undo_flows_absent(struct teardown *t, struct err *err);
int undo_cgroup(struct teardown *t, struct err *err);
int undo_cgroup_absent(struct teardown *t, struct err *err);
/* Is it there, with a process or another cgroup in it? */
bool undo_cgroup_busy(const struct teardown *t);

/* undo_files.c */
int undo_socket(struct teardown *t, struct err *err);
int undo_socket_absent(struct teardown *t, struct err *err);
int undo_keys(struct teardown *t, struct err *err);
int undo_keys_absent(struct teardown *t, struct err *err);
int undo_console(struct teardown *t, struct err *err);
int undo_console_absent(struct teardown *t, struct err *err);
int undo_disk(struct teardown *t, struct err *err);
int undo_disk_absent(struct teardown *t, struct err *err);
int undo_name(struct teardown *t, struct err *err);
int undo_name_absent(struct teardown *t, struct err *err);
int undo_state(struct teardown *t, struct err *err);
int undo_state_absent(struct teardown *t, struct err *err);
int undo_spool(struct teardown *t, struct err *err);
int undo_spool_absent(struct teardown *t, struct err *err);
int undo_run(struct teardown *t, struct err *err);
int undo_run_absent(struct teardown *t, struct err *err);
int undo_slot(struct teardown *t, struct err *err);
int undo_slot_absent(struct teardown *t, struct err *err);

#endif
