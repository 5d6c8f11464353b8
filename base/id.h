/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A sandbox's id is 16 hex digits, drawn at random once. Every name that the host sees is derived from it here and
 * nowhere else. A derived name finds an object; it never proves whose the object is (see keeper/, ownership marks).
 */
#define ID_LEN	     16
#define ID_SIZE	     (ID_LEN + 1)
#define ID_NAME_SIZE 64

/* Fill id with 16 random hex digits. 0, or -1 with err. */
int id_draw(char id[ID_SIZE], struct err *err);

bool id_is_valid(const char *id);

/* Interface prefix that the host-wide gate matches on ("mf-"). */
#define ID_TAP_PREFIX "mf-"

void id_tap(const char *id, char out[IFNAMSIZ]); /* "mf-" + the first 8 digits */
void id_tap_alias(const char *id, const char *name,
		  char out[128]); /* "mayfly ID NAME", the ownership mark of a tap */
void id_table(const char *id, char out[ID_NAME_SIZE]);	/* netdev table "mayfly_ID" */
void id_cgroup(const char *id, char out[ID_NAME_SIZE]); /* leaf below the parent cgroup: "ID" */
void id_mac(const char *id, uint8_t out[6]); /* locally administered, from the id's first 32 bits */

/*
 * A slot is a small number that a running sandbox holds under a lock; uid, addresses and mark follow from it, so that
 * one lock keeps all of them apart.
 */
struct slot_plan {
	uint32_t uid;		/* the monitor's uid and gid on the host */
	uint32_t host_ipv4;	/* host byte order; even address of the /31 */
	uint32_t guest_ipv4;	/* host_ipv4 + 1 */
	uint8_t guest_ipv6[16]; /* pool6 with slot + 1 in its last 32 bits */
	uint32_t mark;		/* packet and conntrack mark: mark_base + slot */
};

#endif
