/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_SYSCTL_H
#define KEEPER_HOST_SYSCTL_H

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * Forwarding, host-wide. The kernel copies the one switch into every interface's own, and IPv4's into accept_redirects;
 * so all of those are noted (host_state) before the switch is touched, and host_sysctl_down puts each back.
 *
 * A host that forwards IPv6 stops hearing router advertisements, and drops the default route it has from them: interfaces
 * that heard them until now get accept_ra=2 first, which keeps both.
 */
int host_sysctl_up(const struct host_config *host, struct err *err);

/* Put back what host_sysctl_up noted. An interface that is gone needs nothing. */
int host_sysctl_down(const struct host_config *host, struct err *err);

/* Is forwarding on, for all families that sandboxes have? 1 yes; 0 no, text says which; never fails. */
int host_sysctl_forwards(const struct host_config *host, char *text, size_t size);

#endif
