/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_MKE2FS_H
#define KEEPER_MKE2FS_H

#include "base/err.h"

/* Make an ext4 file system in the file at path, as long as the file is. It dies with us. 0, or -1 with its complaint in err. */
int mke2fs_run(const char *path, struct err *err);

#endif
