/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_NETOPTS_H
#define CLI_NETOPTS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"
#include "cli/opt.h"

/* What `create` and `run` are told about the sandbox's network. */

struct netopts {
	const char *publish[SPEC_MAX_PORTS];
	unsigned n_publish;
	const char *address; /* the guest's, or NULL */
	const char *egress[SPEC_MAX_EGRESS];
	unsigned n_egress;
	bool none, no_ipv6;
};

/* Option ids; NETOPTS_OPTIONS belongs into the verbs' tables. */
enum { NETOPTS_ADDRESS = OPT_LONG + 200, NETOPTS_NET, NETOPTS_NO_IPV6, NETOPTS_EGRESS };

#define NETOPTS_OPTIONS                                                                            \
	{ 'p', "publish", "PORTS",                                                                 \
	  "[ADDR:]HOST:GUEST[/udp], on 127.0.0.1 unless told; repeatable" },                       \
		{ NETOPTS_ADDRESS, "address", "ADDR", "its IPv4 address, out of the pool" },       \
		{ NETOPTS_NET, "net", "nat|none",                                                  \
		  "nat: it reaches out; none: no network at all" },                                \
		{ NETOPTS_EGRESS, "egress", "NETS",                                                \
		  "any, none or where it may send: 192.0.2.0/24:443,…; repeatable" },              \
	{                                                                                          \
		NETOPTS_NO_IPV6, "no-ipv6", NULL, "IPv4 only"                                      \
	}

/* Take one option of NETOPTS_OPTIONS. 1: taken; 0: not one of these; -1 with err. */
int netopts_option(struct netopts *options, int id, const char *value, struct err *err);

/* Put them into a spec that has its host and SPEC_NET. Says so when a port is open to the world. 0, or -1 with err. */
int netopts_resolve(const struct netopts *options, struct spec *spec, struct err *err);

#endif
