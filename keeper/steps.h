/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_STEPS_H
#define KEEPER_STEPS_H

#include "base/err.h"
#include "keeper/keeper.h"

/* Size of the console file: struct launch_ring and the ring. */
#define STEPS_CONSOLE_BYTES 65536

/*
 * What the rows of the bring-up table do. 0, or -1 with err; what a failed one has made, teardown finds. One that makes
 * an object leaves what the kernel told of it in k->identity (steps_identity), which becomes the journal's fact.
 */

/* "key=value key=value", no longer than KEEPER_IDENTITY_SIZE. */
void steps_identity(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "dev=N ino=N" of a file, behind what is in k->identity, with prefix in front of both words. 0, or -1 with err. */
int steps_identity_file(struct keeper *k, const char *prefix, int fd, struct err *err);
/* The monitor's namespaces and files. */
void steps_identity_monitor(struct keeper *k);
/* The fact of the run directory, of the keeper and of the boot. 0, or -1 with err. */
int steps_fact_run(struct keeper *k, struct err *err);

/* steps_files.c */
int steps_claim(struct keeper *k, struct err *err);
int steps_state(struct keeper *k, struct err *err);
int steps_journal(struct keeper *k, struct err *err);
int steps_name(struct keeper *k, struct err *err);
int steps_deadline(struct keeper *k, struct err *err);
int steps_disk(struct keeper *k, struct err *err);
int steps_format(struct keeper *k, struct err *err);
int steps_keys(struct keeper *k, struct err *err);
int steps_console(struct keeper *k, struct err *err);

/* steps_again.c: of a sandbox that was stopped. steps_rest is steps_claim's part of it. */
int steps_rest(struct keeper *k, struct err *err);
int steps_state_again(struct keeper *k, struct err *err);
int steps_journal_again(struct keeper *k, struct err *err);
int steps_name_again(struct keeper *k, struct err *err);
int steps_deadline_again(struct keeper *k, struct err *err);
int steps_disk_again(struct keeper *k, struct err *err);

/* steps_host.c */
int steps_slot(struct keeper *k, struct err *err);
/* The monitor's cgroup, decided at the first call; "": none can be used. */
const char *steps_cgroup_path(struct keeper *k);
int steps_cgroup(struct keeper *k, struct err *err);
/* io.max on the device that holds the sandbox's disk, where that was asked for. After the disk was made, which takes its
 * own time. */
int steps_io(struct keeper *k, struct err *err);
int steps_tap(struct keeper *k, struct err *err);
int steps_gate(struct keeper *k, struct err *err);
int steps_table(struct keeper *k, struct err *err);
int steps_ports(struct keeper *k, struct err *err);

/* steps_monitor.c */
int steps_open(struct keeper *k, struct err *err);
int steps_initrd(struct keeper *k, struct err *err);
int steps_monitor(struct keeper *k, struct err *err);
int steps_launch(struct keeper *k, struct err *err);
int steps_serve(struct keeper *k, struct err *err);
int steps_guest(struct keeper *k, struct err *err);
int steps_privileges(struct keeper *k, struct err *err);
int steps_running(struct keeper *k, struct err *err);

#endif
