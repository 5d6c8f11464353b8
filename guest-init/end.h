/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_END_H
#define GUEST_INIT_END_H

#include "base/proto/guest.h"

/*
 * End the machine: processes get SIGTERM, up to grace_s seconds, then SIGKILL; disks are synced; the host is told the
 * reason over control_fd (-1: it can't be); the CPU is reset by a triple fault, which ends the VM.
 */
_Noreturn void end_machine(int control_fd, enum guest_end_reason reason, unsigned int grace_s,
			   const char *text);

#endif
