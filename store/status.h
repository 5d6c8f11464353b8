/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef STORE_STATUS_H
#define STORE_STATUS_H

#include "base/err.h"
#include "store/store.h"

/* RUN_DIR/ID/status and sandboxes/ID/end. Reading gives ERR_NOT_FOUND when there is none; writing replaces whole. */
int status_read(const struct host_config *host, const char *id, struct status_record *status,
		struct err *err);
int status_write(const struct host_config *host, const char *id, struct status_record *status,
		 struct err *err);
int status_read_end(const struct host_config *host, const char *id, struct end_record *end,
		    struct err *err);
int status_write_end(const struct host_config *host, const char *id, enum end_reason reason,
		     const char *text, struct err *err);

/* Remove `end`, durably: what was stopped runs again. */
int status_forget_end(const struct host_config *host, const char *id, struct err *err);

/* The reason as users read it: "destroyed", "expired", "guest-poweroff", …; "unknown" for a number out of range. */
const char *status_reason_word(uint32_t reason);
/* The reverse; 0 when there is no such word. */
uint32_t status_reason_from_word(const char *word);

#endif
