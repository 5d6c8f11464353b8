/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_PORTSPEC_H
#define CLI_PORTSPEC_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/proto/spec.h"

/* Published ports as people write and read them. */

/*
 * Add what --publish says: [ADDR:]HOST:GUEST[/tcp|/udp], an IPv6 address in brackets, 127.0.0.1 unless told, TCP unless
 * told. -1 with err (ERR_USAGE): the text is wrong, the list is full, or the host's port is already in it.
 */
int portspec_add(struct spec_port ports[SPEC_MAX_PORTS], const char *text, struct err *err);

/* The address alone, "127.0.0.1" or "::1"; returns buf. */
const char *portspec_address(const struct spec_port *port, char buf[INET6_ADDRSTRLEN]);

/* "127.0.0.1:8080" or "[::1]:8080"; returns buf. */
#define PORTSPEC_TEXT_SIZE (INET6_ADDRSTRLEN + 16)
const char *portspec_text(const struct spec_port *port, char buf[PORTSPEC_TEXT_SIZE]);

/* "tcp" or "udp". */
const char *portspec_protocol(const struct spec_port *port);

/* Does it listen on all of the host's addresses? */
bool portspec_is_open(const struct spec_port *port);

#endif
