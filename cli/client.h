/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/ctl.h"
#include "base/proto/spec.h"

/* The CLI's end of a sandbox's control socket (base/proto/ctl.h, way 2). */

/*
 * Connect to the keeper of id; `name` is for messages. The fd, or -1 with err: os_errno ENOENT or
 * ECONNREFUSED when no keeper listens (code ERR_FAILED, the text says that the sandbox isn't
 * running).
 */
int client_open(const struct host_config *host, const char *id, const char *name, struct err *err);

/* Send request (its version is filled in). 0, or -1 with err. */
int client_send(int fd, struct ctl_request *request, struct err *err);

/*
 * Wait up to timeout_ms (-1: for ever) for the end of the answer, CTL_OK or CTL_ERROR. *answer: the
 * CTL_ENDED that came before it, else the CTL_OK; texts are terminated. passed, when not NULL, gets
 * the fd that came with CTL_OK, or -1. 0, or -1 with err: the keeper's own error, ERR_TIMEOUT, or
 * that it went away.
 */
int client_answer(int fd, int timeout_ms, struct ctl_record *answer, int *passed, struct err *err);

/* The same to a request that was sent; a keeper from before an upgrade is asked again in its version. */
int client_answer_to(int fd, const struct ctl_request *request, int timeout_ms,
		     struct ctl_record *answer, int *passed, struct err *err);

/* Both. */
int client_ask(int fd, struct ctl_request *request, int timeout_ms, struct ctl_record *answer,
	       int *passed, struct err *err);

/* open + CTL_CONNECT: a stream to the guest's vsock port. The fd, or -1 with err. */
int client_connect(const struct host_config *host, const char *id, const char *name, uint32_t port,
		   struct err *err);

/*
 * Receive one record (SOCK_SEQPACKET) with its texts terminated. 1; 0 at the end of the stream; -1
 * with errno.
 */
int client_receive(int fd, struct ctl_record *record, int *passed);

/* Is the process at the other end root, or ourselves? */
bool client_peer_is_trusted(int fd);

#endif
