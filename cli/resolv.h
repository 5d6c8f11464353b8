/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_RESOLV_H
#define CLI_RESOLV_H

#include "base/proto/spec.h"

/*
 * The name servers that the host itself asks, for sandboxes to ask too: /etc/resolv.conf, or, where
 * that names only a server on the host's loopback, what systemd-resolved says it forwards to. Never
 * a loopback address. Returns their number, possibly 0.
 */
int resolv_upstreams(char out[SPEC_MAX_RESOLVERS][46]);

/* What the configuration names, or where it names none the host's own. */
void resolv_choose(const char configured[SPEC_MAX_RESOLVERS][46], char out[SPEC_MAX_RESOLVERS][46]);

/* What create and doctor say when there is none. */
#define RESOLV_NONE "no name server is known that sandboxes could ask: names won't resolve inside"
#define RESOLV_MEND "set network.resolvers; this host's own are on its loopback, or missing"

/* The same for one text in resolv.conf(5)'s form. Pure. */
int resolv_parse(const char *text, char out[SPEC_MAX_RESOLVERS][46]);

#endif
