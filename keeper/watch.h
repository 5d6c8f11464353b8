/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_WATCH_H
#define KEEPER_WATCH_H

struct keeper;

/*
 * The gate is everybody's to flush (`nft flush ruleset`), and without it nothing keeps a sandbox from the host. A look at
 * it, now and then: while it is gone the sandbox is cut off, and the journal says what mends it.
 */
void watch_gate(struct keeper *k);

#endif
