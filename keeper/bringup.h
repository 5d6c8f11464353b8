/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_BRINGUP_H
#define KEEPER_BRINGUP_H

#include "base/err.h"

struct keeper;

/*
 * One table of steps, executed in order. Before each step that makes an object its intent is journalled; the step
 * journals the identity. There is no undo here: teardown undoes all of them, in reverse, from names.
 */
int bringup_run(struct keeper *k, struct err *err);

/* Number of rows of the table, and a row's name as progress shows it. */
unsigned bringup_steps(void);
const char *bringup_step_name(unsigned step);

#endif
