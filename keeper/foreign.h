/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_FOREIGN_H
#define KEEPER_FOREIGN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * Other tools' nftables chains in the forward hook: an accept of the gate does not override their drop. What a sandbox
 * sends to the uplink, and the answers to it, are taken through each of them by reading their rules. Matches that can't
 * be decided for these packets (addresses, ports, sets) count as "perhaps". Legacy iptables can't be seen this way.
 */

/* A packet as far as it is known. */
struct foreign_packet {
	const char *iif, *oif; /* "": not known */
	bool established;      /* an answer; else the first packet of its flow */
	bool ipv6;
};

enum foreign_verdict {
	FOREIGN_PASSES,
	FOREIGN_UNSURE, /* it is dropped unless a rule that can't be decided here lets it pass */
	FOREIGN_DROPS,
};

/*
 * listing: what `nft -s list table` prints. Takes the packet through that table's chain of that name. Pure; the listing is
 * read, not kept.
 */
enum foreign_verdict foreign_judge(const char *listing, const char *chain,
				   const struct foreign_packet *packet);

#define FOREIGN_NAME_SIZE 128

/* The first chain that drops what sandboxes send or get: "inet firewalld filter_FORWARD". */
struct foreign_finding {
	enum foreign_verdict verdict;
	char family[8], table[FOREIGN_NAME_SIZE], chain[FOREIGN_NAME_SIZE];
	bool answers; /* it is the answers that it drops */
};

/* Look at this host. 0 with *found (FOREIGN_PASSES: nothing stands in the way), or -1 with err. */
int foreign_look(const struct host_config *host, struct foreign_finding *found, struct err *err);

/* The interface of the default route; "" without one. ipv6: the IPv6 one's. *by_ra: it came from a router advertisement
 * that the kernel heard; may be NULL. */
void foreign_uplink(bool ipv6, char name[IFNAMSIZ], bool *by_ra);

#endif
