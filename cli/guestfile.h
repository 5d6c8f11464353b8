/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_GUESTFILE_H
#define CLI_GUESTFILE_H

#include "base/err.h"
#include "base/proto/spec.h"

/* The files that a guest is started from. */
enum guestfile_kind {
	GUESTFILE_KERNEL, /* uncompressed ELF vmlinux */
	GUESTFILE_IMAGE,  /* erofs */
	GUESTFILE_INITRD, /* cpio, newc */
};

/*
 * Open the file at path, read-only, and look whether it can be what it is given for; `what` is the option or key that
 * names it. real gets its real path: a link that moves later must not change the sandbox. The fd, or -1 with err
 * (ERR_USAGE).
 */
int guestfile_open(enum guestfile_kind kind, const char *what, const char *path,
		   char real[SPEC_PATH_SIZE], struct err *err);

#endif
