/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_PATHS_H
#define STORE_PATHS_H

#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/* Where the files of store/store.h are. All builders return out; a path always fits (the parts are bounded). */
#define PATHS_SIZE (SPEC_PATH_SIZE + 96)

const char *paths_spool(const struct host_config *host, const char *id, char out[PATHS_SIZE]);
/* The link to a spec in the spool that waits for a unit of this name. */
const char *paths_spool_name(const struct host_config *host, const char *name,
			     char out[PATHS_SIZE]);
/* file below STATE_DIR/sandboxes/ID; NULL: the directory itself. */
const char *paths_sandbox(const struct host_config *host, const char *id, const char *file,
			  char out[PATHS_SIZE]);
/* file below RUN_DIR/ID; NULL: the directory itself. */
const char *paths_run(const struct host_config *host, const char *id, const char *file,
		      char out[PATHS_SIZE]);
const char *paths_name(const struct host_config *host, const char *name, char out[PATHS_SIZE]);
const char *paths_receipt(const struct host_config *host, const char *id, char out[PATHS_SIZE]);
const char *paths_slot(const struct host_config *host, uint32_t slot, char out[PATHS_SIZE]);
/* dir is "names", "spool", "sandboxes", "receipts", "clock" */
const char *paths_state(const struct host_config *host, const char *dir, char out[PATHS_SIZE]);
/* dir is "slots", "claim.lock", "reap.lock"; "" is RUN_DIR itself with a final slash */
const char *paths_run_dir(const struct host_config *host, const char *dir, char out[PATHS_SIZE]);

/* Make STATE_DIR and RUN_DIR, their sub-directories and the host-wide files that are locked, those that are missing. 0, or -1 with err. */
int paths_make(const struct host_config *host, struct err *err);

/*
 * Give RUN_DIR and what tells of sandboxes to the group: its members may see which there are, whose they are and were; others have no
 * business with that. A directory of an earlier version was open to all. paths_make does it too, but where the group can't be looked up
 * leaves them as they are. 0, or -1 with err.
 */
int paths_give(const struct host_config *host, struct err *err);

/* 1 when something is at path, 0 when nothing is, -1 with err when that can't be told. */
int paths_is_there(const char *path, struct err *err);

/* mkdir that takes an existing directory for success. 0, or -1 with err. */
int paths_make_dir(const char *path, unsigned mode, struct err *err);

#endif
