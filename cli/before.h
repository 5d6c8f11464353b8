/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_BEFORE_H
#define CLI_BEFORE_H

#include "cli/cli.h"

/*
 * What a command does in front of its own work. Neither part fails it, waits for anybody, or speaks of its own failures: the
 * reaper's timer, `mayfly ls` and whoever asks the ledger do.
 */

/*
 * End what is due (the third arm of the reaper): a look at the files, and `mayfly-keeper --reap` only when that finds
 * something. One line on stderr when something was ended.
 */
void before_reap(const struct cli *cli);

/* Bring the ledger up to date, if anything has happened since. */
void before_fold(const struct cli *cli);

#endif
