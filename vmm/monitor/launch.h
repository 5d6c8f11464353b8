/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_LAUNCH_H
#define VMM_MONITOR_LAUNCH_H

#include "base/err.h"
#include "base/proto/launch.h"

/* Take the launch record from the channel and check every field of it. The descriptors that it promises are
 * jail_enter_fds's to check. 0, or -1 with err. */
int launch_receive(struct launch_record *record, struct err *err);

/* Every field in its range, the command line terminated, unused fields zero. 0, or -1 with err. */
int launch_check(const struct launch_record *record, struct err *err);

#endif
