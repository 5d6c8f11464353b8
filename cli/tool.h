/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

#include "base/err.h"
#include "base/proto/ctl.h"
#include "cli/config.h"

/*
 * mayfly-keeper as a tool: `mayfly-keeper ARGS…` with the configuration's struct host_config on its
 * stdin. Each struct ctl_record on its stdout goes to take (texts are terminated); a CTL_ERROR
 * becomes err instead. Returns its exit code; -1 with err when it reported an error, couldn't be
 * started or died.
 */
typedef void tool_take_fn(void *arg, const struct ctl_record *record);
int tool_run(const struct config *config, const char *const args[], tool_take_fn *take, void *arg,
	     struct err *err);

#endif
