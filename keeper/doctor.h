/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_DOCTOR_H
#define KEEPER_DOCTOR_H

#include "base/err.h"
#include "base/proto/spec.h"
#include "keeper/sink.h"

/*
 * The checks that need the kernel or privilege. One CTL_ITEM each: code 0 is good news; else the text ends with
 * ". Mend: …". Changes nothing on the host. Returns the number of checks that failed.
 */
int doctor_run(const struct host_config *host, const struct sink *sink);

#endif
