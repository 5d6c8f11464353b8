/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_NETFILTER_H
#define KEEPER_NETFILTER_H

#include "keeper/netlink.h"

/*
 * This process's one netlink socket for looks at netfilter, opened when first needed and kept until the end: closing one
 * takes nftables' commit mutex and waits for whatever another process's delete has left to free, one close after the
 * other (nft_rcv_nl_event). Only one user at a time.
 */

/* With fresh callbacks and no acknowledgements that aren't asked for; borrowed until netfilter_done. NULL with err. */
struct nl_sock *netfilter_open(struct err *err);

/* Give it back; after a failure (code < 0) it is closed, since an answer may still be on its way. */
void netfilter_done(int code);

#endif
