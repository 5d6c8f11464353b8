/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_FILES_H
#define KEEPER_FILES_H

#include "base/err.h"
#include "keeper/keeper.h"

/*
 * Kernel and image come from the CLI as open descriptors, with the digests that it found through them: what was checked
 * is what runs. A spec without digests (the keeper's own tests) names paths.
 */

/* Take them out of the inherited socket (-1: there is none), which is closed. 0, or -1 with err. */
int files_receive(struct keeper *k, int socket, struct err *err);

/* Make sure that kernel_fd and image_fd are what the spec, read under its lock, asks for. 0, or -1 with err. */
int files_open(struct keeper *k, struct err *err);

/* path as a plain file that isn't empty, read-only, into *fd. 0, or -1 with err. */
int files_open_plain(const char *path, int *fd, struct err *err);

#endif
