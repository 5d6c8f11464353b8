/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_HOST_DOCKER_H
#define KEEPER_HOST_DOCKER_H

#include "base/err.h"

/*
 * Docker's FORWARD chain drops what it doesn't know, and an accept of the gate does not override that. Where Docker's
 * chain for the administrator's rules (DOCKER-USER, `ip filter` and `ip6 filter`) exists, two accepts for mayfly's taps go
 * into it; the gate has had its say before.
 */

/* Idempotent. Number of families that have the chain, or -1 with err. */
int host_docker_up(struct err *err);

/* Remove the accepts, found by their comment. */
int host_docker_down(struct err *err);

/* 1: no such chain, or the accepts are there; 0: a chain lacks them; -1: can't tell, err. */
int host_docker_passes(struct err *err);

#endif
