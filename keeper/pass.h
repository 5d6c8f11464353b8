/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PASS_H
#define KEEPER_PASS_H

#include <stddef.h>

#include "base/err.h"

/* One packet on a SEQPACKET socket, never blocking, with at most one descriptor (pass_fd, borrowed; -1: none). 0, or -1. */
int pass_send(int fd, const void *data, size_t len, int pass_fd);

#endif
