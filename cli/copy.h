/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_COPY_H
#define CLI_COPY_H

#include "base/err.h"

/*
 * Copy in → stream and stream → out until both directions have ended. The end of `in` half-closes
 * the stream (shutdown SHUT_WR); the end of the stream ends the call: nobody is left to talk to. 0,
 * or -1 with err.
 */
int copy_both_ways(int in, int out, int stream, struct err *err);

#endif
