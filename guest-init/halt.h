/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_HALT_H
#define GUEST_INIT_HALT_H

#include <stdbool.h>

/*
 * poweroff, reboot, halt and shutdown are names of this program: they ask PID 1 by signal, with -f and without, since
 * nobody else may reset the machine (see spawn.h).
 */

/* Make /sbin/poweroff … point at the copy of this program that root_switch's caller put at HALT_PROGRAM. */
void halt_install(void);

/* True, with *exit_code set, when argv[0] is one of those names and its work is done. */
bool halt_main(int argc, char **argv, int *exit_code);

#define HALT_PROGRAM "/run/mayfly/init"

#define HALT_SIGNAL_HALT     SIGUSR1
#define HALT_SIGNAL_POWEROFF SIGUSR2
#define HALT_SIGNAL_REBOOT   SIGTERM

#endif
