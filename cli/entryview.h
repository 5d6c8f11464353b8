/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_ENTRYVIEW_H
#define CLI_ENTRYVIEW_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "store/store.h"

/* A sandbox as users see it: what ls and show print of a store_entry. */
struct entryview {
	const char *name; /* its id where the spec is lost */
	const char *owner;
	const char *state;
	char ends[32];		     /* "" without a date */
	char left[32];		     /* in its grace: of its disk's time */
	char disk_until[32];	     /* in its grace: its end; else "" */
	long long left_s;	     /* 0: its date has come, or it has none */
	char ipv4[INET6_ADDRSTRLEN]; /* "" while nothing runs */
	char ipv6[INET6_ADDRSTRLEN];
};

/* Pointers go into entry. left_s: what both bounds of the deadline leave. Pure. */
void entryview_make(struct entryview *view, const struct store_entry *entry, long long left_s);

/* left_s of entry by today's clocks. 0, or -1 with err. */
int entryview_left(const struct host_config *host, const struct store_entry *entry,
		   long long *left_s, struct err *err);

/*
 * The object that `ls --format json` has one of per sandbox; whole adds what `show` shows. Owned by
 * the caller. Pure.
 */
json_t *entryview_json(const struct store_entry *entry, const struct entryview *view, bool whole);

/* Look at id and print the whole object. 0, or -1 with err. */
int entryview_print(const struct host_config *host, const char *id, struct err *err);

/* ERR_FAILED: it has ended and left something, which keeps its name taken; what it is, and the mend. Returns -1. */
int entryview_quarantined(const struct host_config *host, const char *id, struct err *err);

/* The guest's addresses in a slot, as text; ipv6 is "" where the host gives none. Pure. */
void entryview_addresses(const struct host_config *host, uint32_t slot, char ipv4[INET6_ADDRSTRLEN],
			 char ipv6[INET6_ADDRSTRLEN]);

#endif
