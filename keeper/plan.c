/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/plan.h"

#include <arpa/inet.h>
#include <string.h>

/* uids below are the distribution's and people's; 65534 is nobody, and the last two of 32 bits mean "none" */
#define UID_LOWEST 1000u
#define UID_NOBODY 65534u
#define UID_END	   0xfffffffeu

static int check_uids(const struct host_config *host, struct err *err)
{
	uint64_t end = (uint64_t)host->uid_base + host->slot_count;

	if (host->uid_base < UID_LOWEST || end > UID_END)
		return err_set(err, ERR_USAGE,
			       "uids %u to %llu can't be used for sandboxes: outside %u to %u",
			       host->uid_base, (unsigned long long)end - 1, UID_LOWEST,
			       UID_END - 1);
	if (host->uid_base <= UID_NOBODY && end > UID_NOBODY)
		return err_set(err, ERR_USAGE, "uids %u to %llu hold %u, the user nobody",
			       host->uid_base, (unsigned long long)end - 1, UID_NOBODY);
	return 0;
}

static int check_marks(const struct host_config *host, struct err *err)
{
	uint32_t low = ~host->mark_mask;

	/* the mask's zero bits must be the lowest ones: low + 1 is a power of two */
	if (host->mark_mask == 0 || (low & (low + 1)) != 0)
		return err_set(err, ERR_USAGE, "mark mask 0x%08x is not a run of high bits",
			       host->mark_mask);
	if (host->mark_base == 0 || (host->mark_base & low) != 0)
		return err_set(err, ERR_USAGE, "mark base 0x%08x does not fit the mask 0x%08x",
			       host->mark_base, host->mark_mask);
	if (host->slot_count - 1 > low)
		return err_set(err, ERR_USAGE,
			       "mark mask 0x%08x leaves %llu marks for %u sandboxes",
			       host->mark_mask, (unsigned long long)low + 1, host->slot_count);
	return 0;
}

static int check_pools(const struct host_config *host, struct err *err)
{
	static const uint8_t zeroes[8];
	char text[PLAN_ADDRESS_SIZE];

	if (host->pool4_prefix < 8 || host->pool4_prefix > 30)
		return err_set(err, ERR_USAGE,
			       "IPv4 pool's prefix length %u is not between 8 and 30",
			       host->pool4_prefix);
	if ((host->pool4 & (0xffffffffu >> host->pool4_prefix)) != 0)
		return err_set(err, ERR_USAGE, "IPv4 pool %s/%u has bits set behind its prefix",
			       plan_ipv4_text(host->pool4, text), host->pool4_prefix);
	if (host->slot_count > 1u << (31 - host->pool4_prefix))
		return err_set(err, ERR_USAGE, "IPv4 pool %s/%u holds %u sandboxes, not %u",
			       plan_ipv4_text(host->pool4, text), host->pool4_prefix,
			       1u << (31 - host->pool4_prefix), host->slot_count);
	if (host->ipv6 &&
	    ((host->pool6[0] & 0xfe) != 0xfc || memcmp(host->pool6 + 8, zeroes, 8) != 0))
		return err_set(err, ERR_USAGE,
			       "IPv6 pool %s/64 is not a /64 of unique local addresses (fc00::/7)",
			       plan_ipv6_text(host->pool6, text));
	return 0;
}

int plan_check(const struct host_config *host, struct err *err)
{
	if (host->slot_count == 0)
		return err_set(err, ERR_USAGE, "the number of sandboxes is 0");
	if (check_uids(host, err) < 0 || check_marks(host, err) < 0)
		return -1;
	return check_pools(host, err);
}

int plan_for_slot(const struct host_config *host, uint32_t slot, struct slot_plan *plan,
		  struct err *err)
{
	uint32_t tail = htonl(slot + 1);

	if (plan_check(host, err) < 0)
		return -1;
	if (slot >= host->slot_count)
		return err_set(err, ERR_USAGE, "slot %u is not below %u", slot, host->slot_count);
	plan->uid = host->uid_base + slot;
	plan->host_ipv4 = host->pool4 + 2 * slot;
	plan->guest_ipv4 = plan->host_ipv4 + 1;
	plan->mark = host->mark_base + slot;
	memcpy(plan->guest_ipv6, host->pool6, 12);
	memcpy(plan->guest_ipv6 + 12, &tail, sizeof(tail));
	return 0;
}

const char *plan_ipv4_text(uint32_t ipv4, char buf[PLAN_ADDRESS_SIZE])
{
	struct in_addr address = { .s_addr = htonl(ipv4) };

	return inet_ntop(AF_INET, &address, buf, PLAN_ADDRESS_SIZE);
}

const char *plan_ipv6_text(const uint8_t ipv6[16], char buf[PLAN_ADDRESS_SIZE])
{
	return inet_ntop(AF_INET6, ipv6, buf, PLAN_ADDRESS_SIZE);
}
