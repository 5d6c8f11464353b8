/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_CATALOGUE_H
#define CLI_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/config.h"
#include "cli/guestfile.h"

/*
 * The kernels and images that have a name: "default" is the configuration's; NAME is NAME.vmlinux in kernels/, or
 * NAME.erofs in images/, below the state directory (the site's own) or beside the default (a package's), found in that order.
 */
#define CATALOGUE_NAME_SIZE 64

struct catalogue_item {
	enum guestfile_kind kind;
	char name[CATALOGUE_NAME_SIZE];
	char path[SPEC_PATH_SIZE]; /* real */
};

/*
 * The file that word means: a name, else a path. A word without a slash that is neither is an error that says so. `what`
 * is the option it came from. 0, or -1 with err (ERR_USAGE).
 */
int catalogue_find(const struct config *config, enum guestfile_kind kind, const char *what,
		   const char *word, char path[SPEC_PATH_SIZE], struct err *err);

/* Each item once, the default first, then by name. Stops when visit returns false. 0, or -1 with err. */
typedef bool catalogue_visit_fn(const struct catalogue_item *item, void *arg);
int catalogue_each(const struct config *config, enum guestfile_kind kind, catalogue_visit_fn *visit,
		   void *arg, struct err *err);

/* What is in an item's file. */
enum catalogue_check {
	CATALOGUE_AS_MADE,   /* the digest beside it agrees */
	CATALOGUE_UNVOUCHED, /* there is none */
	CATALOGUE_DAMAGED,   /* it says another one */
};

struct catalogue_facts {
	uint64_t size;
	int64_t made_s; /* last changed, seconds since the epoch */
	uint8_t digest[SPEC_DIGEST_SIZE];
	enum catalogue_check check;
	char version[64]; /* "6.12.43"; "": not told */
};

/* 0, or -1 with err: not there, or not what it should be. */
int catalogue_look(const struct host_config *host, const struct catalogue_item *item,
		   struct catalogue_facts *facts, struct err *err);

/* "as made", "no digest", "damaged" */
const char *catalogue_check_word(enum catalogue_check check);

#endif
