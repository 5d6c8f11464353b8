/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include <stdbool.h>

#include "base/err.h"
#include "store/deadline.h"
#include "store/journal.h"
#include "store/store.h"

/* A look at one sandbox, taken from its files, its lock, the boot id and the clocks; changes nothing. The struct is large:
 * static or heap. 0, or -1 with err: ERR_NOT_FOUND when nothing of that id is there. */
int entry_load(const struct host_config *host, const char *id, struct store_entry *entry,
	       struct err *err);

/* Call visit for the id of everything that has files: sandboxes, and what is left in RUN_DIR without one. Each id once,
 * sorted. Stops when visit returns false. 0, or -1 with err; a missing directory is empty. */
int entry_each(const struct host_config *host, bool (*visit)(const char *id, void *arg), void *arg,
	       struct err *err);

/* The id behind a name (or an id, or the beginning of one of at least 4 digits). 0, or -1 with err (ERR_NOT_FOUND). */
int entry_find(const struct host_config *host, const char *name, char id[ID_SIZE], struct err *err);

/* "creating", "running", "ending", "stopped", "expired", "grace", "broken", "quarantined" */
const char *entry_state_word(enum store_state state);

/* The decision alone. Pure. */
struct entry_facts {
	bool lock_held;
	bool same_boot; /* status is of this boot */
	bool has_spec, has_status, has_end;
	bool has_ready; /* the journal says that it has run */
	bool durable, expired;
	bool in_grace;	  /* expired, and its disk is kept */
	bool has_residue; /* its last end could not clear everything */
	enum status_phase phase;
};
enum store_state entry_decide(const struct entry_facts *facts);

#endif
