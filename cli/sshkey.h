/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_SSHKEY_H
#define CLI_SSHKEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * ssh keys: made with BearSSL (ECDSA on NIST P-256, which OpenSSH reads), checked when users bring
 * them.
 */

struct sshkey {
	char private_pem[512]; /* "EC PRIVATE KEY", SEC 1; sshd(8) and ssh(1) read it */
	char public_line
		[256]; /* "ecdsa-sha2-nistp256 BASE64 COMMENT", RFC 5656 §3.1, without a newline */
};

/*
 * Draw a fresh key pair; the caller wipes it (explicit_bzero). comment: str_is_name text. 0, or -1
 * with err.
 */
int sshkey_make(struct sshkey *key, const char *comment, struct err *err);

/*
 * Is line (len characters, no newline) "TYPE BASE64[ COMMENT]" with a type that sshd accepts, and a
 * blob whose own type is the same? NULL, or what is wrong with it. Options in front are refused:
 * they belong to sshd's own files. Pure.
 */
const char *sshkey_check_line(const char *line, size_t len);

#define SSHKEY_FINGERPRINT_SIZE 64

/* "SHA256:BASE64" of a good line, as ssh prints it; "" for any other. Pure. */
void sshkey_fingerprint(const char *line, char out[SSHKEY_FINGERPRINT_SIZE]);

/*
 * Append the keys in the public key file at path (lines; empty ones and '#' comments are left out)
 * to keys, a text of at most size bytes. person, when not NULL, takes the place of their comments.
 * 0, or -1 with err (ERR_USAGE, "PATH:LINE: what").
 */
int sshkey_read_file(const char *path, const char *person, char *keys, size_t size,
		     struct err *err);

#define SSHKEY_PERSON_MAX 80

/* Can it stand behind a key: 1 to SSHKEY_PERSON_MAX bytes of one line, without blanks around them? Pure. */
bool sshkey_is_person(const char *person);

/* One line of authorized_keys as show lists it. */
struct sshkey_view {
	char type[40];
	char fingerprint[SSHKEY_FINGERPRINT_SIZE];
	char comment[256]; /* who; "" without one; cut when longer */
};

/* Take the next line of keys: returns what follows it, for the next call; NULL at the end. Pure. */
const char *sshkey_next(const char *keys, struct sshkey_view *view);

#endif
