/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_LIST_H
#define CLI_LIST_H

#include "base/err.h"
#include "cli/json.h"
#include "cli/text.h"

/* A list for people, or for programs, that says when it isn't whole. */
struct list {
	struct text_table table;
	json_t *items;	   /* NULL: a table */
	struct err unread; /* why one isn't there that should be, or not all of it */
};

/* Keep in *unread why something of the sandbox id couldn't be read. Not when why is nothing, or that it ended while we looked. */
void list_unread(struct err *unread, const char *id, const struct err *why);

/* Print on stdout, and release what was printed. 0, or -1 with err, also where it isn't whole. */
int list_print(struct list *list, struct err *err);

#endif
