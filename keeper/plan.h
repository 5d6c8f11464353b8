/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_PLAN_H
#define KEEPER_PLAN_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/proto/spec.h"

/* What follows from a slot's number. Pure: no call into the kernel. */

/* "10.83.0.2" and "fd4d:…:1" with room to spare. */
#define PLAN_ADDRESS_SIZE INET6_ADDRSTRLEN

/*
 * uid, addresses and mark of a slot. Refuses (ERR_USAGE, naming the key that is wrong) a slot that is out of range and
 * a host_config whose pools, marks or uids can't hold slot_count slots. *plan is written only on success.
 */
int plan_for_slot(const struct host_config *host, uint32_t slot, struct slot_plan *plan,
		  struct err *err);

/* The same checks without a slot: is this host_config usable at all? Called by host up and at every bring-up. */
int plan_check(const struct host_config *host, struct err *err);

/* Textual addresses; return buf. */
const char *plan_ipv4_text(uint32_t ipv4, char buf[PLAN_ADDRESS_SIZE]);
const char *plan_ipv6_text(const uint8_t ipv6[16], char buf[PLAN_ADDRESS_SIZE]);

#endif
