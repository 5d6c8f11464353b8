/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_DIGEST_H
#define CLI_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * SHA-256 of kernels and images. A file may have its digest beside it, in FILE.sha256, as sha256sum(1) writes it: then
 * somebody vouches for it. What a file hashed to is remembered in RUN_DIR/digests under device, inode, size, change and
 * modification time, in this boot alone; a file that changed less than two seconds before it was read is not remembered,
 * since a further change might leave all of these as they are.
 */

#define DIGEST_TEXT_SIZE (2 * SPEC_DIGEST_SIZE + 1)

/*
 * The digest of the open regular file fd, which is read unless it is remembered; its offset stays. path is for messages.
 * 0, or -1 with err (also when the file changes while it is read).
 */
int digest_of(const struct host_config *host, int fd, const char *path,
	      uint8_t digest[SPEC_DIGEST_SIZE], struct err *err);

/* What FILE.sha256 beside path says: 1; 0 when there is none; -1 with err. */
int digest_beside(const char *path, uint8_t digest[SPEC_DIGEST_SIZE], struct err *err);

/* As lower-case hex digits. Returns out. Pure. */
const char *digest_text(const uint8_t digest[SPEC_DIGEST_SIZE], char out[DIGEST_TEXT_SIZE]);

/* The first word of a line of sha256sum. False when it is no digest. Pure. */
bool digest_parse(const char *text, uint8_t digest[SPEC_DIGEST_SIZE]);

/* Is there one? All zero: unknown. Pure. */
bool digest_is_known(const uint8_t digest[SPEC_DIGEST_SIZE]);

#endif
