/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_HANDOVER_H
#define CLI_HANDOVER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/guestfile.h"

/*
 * Kernel and image of a sandbox: opened here, checked through these descriptors, and handed to the keeper as they are,
 * so that what was checked is what runs, whatever the paths lead to by then. See docs/decisions/012-digests.md.
 */
struct handover {
	int kernel_fd, image_fd; /* read-only; -1: none */
};

#define HANDOVER_NONE                                                                              \
	{                                                                                          \
		.kernel_fd = -1, .image_fd = -1                                                    \
	}

/*
 * A new sandbox: open the files of spec->kernel and spec->image, whose real paths replace them, and put their digests
 * into spec. A file with a digest beside it must match it. kernel_what and image_what name them in messages ("--image").
 * 0, or -1 with err.
 */
int handover_take(struct handover *handover, struct spec *spec, const char *kernel_what,
		  const char *image_what, struct err *err);

/* Would handover_take do with this file? Nothing is kept. 0, or -1 with the same err. */
int handover_check(const struct host_config *host, enum guestfile_kind kind, const char *what,
		   const char *path, struct err *err);

/* What may have changed since spec was written. */
enum handover_changes {
	HANDOVER_SAME,	  /* nothing: it is still being created */
	HANDOVER_VOUCHED, /* what a digest beside it vouches for: a package was upgraded */
	HANDOVER_ANY,	  /* the user said so */
};

/*
 * For a sandbox that has a spec: its files must be those of spec, but for the changes that are allowed; then spec gets
 * the new digests, and the caller writes it back. 0, or -1 with err.
 */
int handover_take_again(struct handover *handover, struct spec *spec, enum handover_changes allowed,
			struct err *err);

/*
 * Both descriptors and their digests as one packet (base/proto/ctl.h, struct ctl_files) in a socket that is left open
 * over exec: the keeper's --files. The fd, or -1 with err.
 */
int handover_pack(const struct handover *handover, const struct spec *spec, struct err *err);

void handover_close(struct handover *handover);

#endif
