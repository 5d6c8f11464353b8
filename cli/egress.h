/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_EGRESS_H
#define CLI_EGRESS_H

#include <stdbool.h>

#include "base/proto/spec.h"

/*
 * Where a sandbox may send to, on the command line and in the configuration: "any", "none", or networks:
 *   192.0.2.0/24, 192.0.2.7, 2001:db8::/32        everything there
 *   192.0.2.0/24:443, [2001:db8::/32]:443         TCP and UDP to that port
 * Pure, all of it.
 */
struct egress {
	bool limited; /* false: any; true with n 0: none */
	unsigned n;
	struct spec_egress list[SPEC_MAX_EGRESS];
};

#define EGRESS_TEXT_SIZE 64

/* Read one network. NULL, or what is wrong. */
const char *egress_parse_network(const char *text, struct spec_egress *network);

/* Take one word more into egress, which begins as *egress = (struct egress){ .limited = true }; n_words is how many there are. */
const char *egress_add(struct egress *egress, const char *word, size_t n_words);

/* Does one of its networks hold this one, with its port? */
bool egress_allows(const struct egress *egress, const struct spec_egress *network);

/* One network as it is written. Returns out. */
const char *egress_text(const struct spec_egress *network, char out[EGRESS_TEXT_SIZE]);

#endif
