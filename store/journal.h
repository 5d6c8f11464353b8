/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * The journal of a sandbox: text lines "SECONDS WORD …", appended and made durable one by one. It becomes the receipt.
 *   intent KIND NAME            before the object is made
 *   fact KIND NAME key=value …  once the kernel has told its identity
 *   gone KIND NAME look=WORD    teardown has seen that it is absent; WORD: where it looked (keeper/teardown.h)
 *   event TEXT                  created, ready, renewed, ended …
 * KIND and NAME hold no blanks; every other byte of a text that isn't printable ASCII is written as '?'.
 */
enum journal_word { JOURNAL_INTENT = 1, JOURNAL_FACT, JOURNAL_GONE, JOURNAL_EVENT };

#define JOURNAL_LINE_MAX 512

struct journal_line {
	long long at_s;
	enum journal_word word;
	char kind[32];		     /* "" for an event */
	char name[288];		     /* "" for an event */
	char text[JOURNAL_LINE_MAX]; /* what follows: key=value … or the event */
};

/* Open sandboxes/ID/journal for appending, creating it when create is set. The fd, or -1 with err (ERR_NOT_FOUND). */
int journal_open(const struct host_config *host, const char *id, bool create, struct err *err);

/* Append one durable line. 0, or -1 with err. An fd of -1 is success: there is nothing to write to. */
int journal_intent(int fd, const char *kind, const char *name, struct err *err);
int journal_fact(int fd, struct err *err, const char *kind, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
int journal_gone(int fd, const char *kind, const char *name, const char *look, struct err *err);
int journal_event(int fd, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Parse one line (without its newline). False when it isn't one; a last line torn by a crash is none. Pure. */
bool journal_parse(const char *text, size_t len, struct journal_line *line);

/* Call visit for each good line of the journal (or receipt) at path until it returns false. 0, or -1 with err
 * (ERR_NOT_FOUND). */
int journal_each(const char *path, bool (*visit)(const struct journal_line *line, void *arg),
		 void *arg, struct err *err);

/*
 * What the last end could not clear, "KIND: why", as told by the lines up to this one: to be called for each of them. A start, a stop
 * and an end that is whole leave "". Pure.
 */
void journal_residue(const struct journal_line *line, char *residue, size_t size);

/* Value of key in a fact's text ("key=value key=value"), at most size bytes with its NUL. False: no such key. Pure. */
bool journal_value(const char *text, const char *key, char *out, size_t size);

#endif
