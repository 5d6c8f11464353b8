/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_EXEC_H
#define GUEST_INIT_EXEC_H

/* Serve one connection of the exec service in this (forked) process: read GUEST_EXEC_START, run the command, relay its
 * three streams as frames, report its exit code. A host that hangs up ends the command. */
_Noreturn void exec_serve(int connection);

#endif
