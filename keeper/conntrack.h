/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_CONNTRACK_H
#define KEEPER_CONNTRACK_H

#include <stdint.h>

#include "base/err.h"

/*
 * The connection tracker's entries of one sandbox, found by their mark, IPv4 and IPv6. The filter is in the kernel:
 * entries of others are neither listed nor touched.
 */

/* Delete all entries with this mark. mark 0 is refused: it would name everybody's. How many there were, or -1 with err. */
int conntrack_flush(uint32_t mark, struct err *err);

/* Call visit with the mark of each entry whose mark & mask is base; a base of 0 is refused. 0, or -1 with err. */
int conntrack_each(uint32_t base, uint32_t mask, void (*visit)(uint32_t mark, void *arg), void *arg,
		   struct err *err);

/* Number of entries with this mark; -1 with err. */
int conntrack_count(uint32_t mark, struct err *err);

#endif
