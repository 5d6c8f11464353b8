/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"
#include "cli/life.h"
#include "cli/opt.h"

/* What `create` and `run` ask for, as the command line says it, and how it becomes a spec. */

#define REQUEST_MAX_KEYS 16

struct request {
	const char *name;
	struct life life;
	const char *memory, *disk, *owner, *hostname, *kernel, *image;
	const char *keys[REQUEST_MAX_KEYS];
	unsigned n_keys;
	bool durable;
};

/* Option ids that create and run share; REQUEST_OPTIONS belongs into their tables. */
enum {
	REQUEST_TTL = OPT_LONG + 1,
	REQUEST_UNTIL,
	REQUEST_DISK,
	REQUEST_SSH_KEY,
	REQUEST_OWNER,
	REQUEST_HOSTNAME,
	REQUEST_KERNEL,
	REQUEST_IMAGE,
};

#define REQUEST_OPTIONS                                                                            \
	{ REQUEST_TTL, "ttl", "DURATION", "life from now: 30m, 12h, 7d, 2w" },                     \
		{ REQUEST_UNTIL, "until", "DATE", "end: 2026-12-01 or 2026-12-01T17:00Z" },        \
		{ 'm', "memory", "SIZE", "memory: 512M, 2G" },                                     \
		{ REQUEST_DISK, "disk", "SIZE", "writable disk: 2G, 20G" },                        \
		{ REQUEST_SSH_KEY, "ssh-key", "FILE", "public key that may log in; repeatable" },  \
		{ REQUEST_OWNER, "owner", "NAME", "whose it is, instead of your login name" },     \
		{ REQUEST_HOSTNAME, "hostname", "NAME", "host name inside, instead of NAME" },     \
		{ REQUEST_KERNEL, "kernel", "FILE", "guest kernel (ELF vmlinux)" },                \
	{                                                                                          \
		REQUEST_IMAGE, "image", "FILE", "base image (erofs)"                               \
	}

/* Take one option of REQUEST_OPTIONS. 1: taken; 0: not one of these; -1 with err. */
int request_option(struct request *request, int id, const char *value, struct err *err);

/*
 * Resolve request, configuration and defaults into *spec, drawing id and keys; nothing on the host
 * is changed. *by_default is set when the life is the site's. The caller wipes the spec: it holds
 * private keys. 0, or -1 with err.
 */
int request_resolve(const struct request *request, const struct config *config, int64_t now_s,
		    struct spec *spec, bool *by_default, struct err *err);

/* The login name of whoever runs this, through sudo too; at most STR_NAME_MAX characters. */
void request_login(char out[STR_NAME_MAX + 1]);

#endif
