/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PORTDIAG_H
#define KEEPER_PORTDIAG_H

#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/* What the kernel says about the host's listening sockets (proc(5), /proc/net). */

/* "127.0.0.1:8080/tcp", "[::1]:53/udp"; returns buf. */
#define PORTDIAG_TEXT_SIZE 64
const char *portdiag_text(const struct spec_port *port, char buf[PORTDIAG_TEXT_SIZE]);

/* Who listens there: "sandbox web", "nginx (pid 12)", or "" when it can't be told. Returns buf. */
#define PORTDIAG_WHO_SIZE 96
const char *portdiag_holder(const struct spec_port *port, const struct host_config *host,
			    char buf[PORTDIAG_WHO_SIZE]);

/* Does a TCP listener or UDP socket with one of these inodes exist? 1, 0, or -1 with err. */
int portdiag_any(const uint32_t *inodes, unsigned n, struct err *err);

#endif
