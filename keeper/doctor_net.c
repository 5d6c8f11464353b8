/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Doctor's checks of the network: the gate, forwarding, address pools, and other tools' rules. */
#include <stdio.h>
#include <string.h>

#include "keeper/doctor.h"
#include "keeper/foreign.h"
#include "keeper/gate.h"
#include "keeper/host_docker.h"
#include "keeper/host_sysctl.h"
#include "keeper/link.h"

#define HOST_UP "run `mayfly host up`"

static enum doctor_level check_gate(const struct host_config *host, struct doctor_finding *f)
{
	struct err err = { .code = 0 };
	int present = gate_present(host, &err);

	if (present < 0)
		return doctor_say(f, DOCTOR_BAD,
				  "run it as root; if the table is not mayfly's, rename it", "%s",
				  err.text);
	return present ? doctor_say(f, DOCTOR_GOOD, "", "the gate is loaded")
		       : doctor_say(f, DOCTOR_BAD, HOST_UP,
				    "the gate is not loaded, or for other marks");
}

static enum doctor_level check_forwarding(const struct host_config *host, struct doctor_finding *f)
{
	char text[DOCTOR_TEXT_SIZE];
	bool on = host_sysctl_forwards(host, text, sizeof(text));

	return doctor_say(f, on ? DOCTOR_GOOD : DOCTOR_BAD, HOST_UP, "%s", text);
}

static enum doctor_level check_pools(const struct host_config *host, struct doctor_finding *f)
{
	char text[DOCTOR_TEXT_SIZE];
	struct err err;
	int clash = link_pool_clash(host, text, sizeof(text), &err);

	if (clash == 0)
		return doctor_say(f, DOCTOR_GOOD, "",
				  "no route of the host overlaps the address pools");
	return doctor_say(f, DOCTOR_BAD, "set another pool in the configuration", "%s",
			  clash < 0 ? err.text : text);
}

static enum doctor_level check_docker(const struct host_config *host, struct doctor_finding *f)
{
	struct err err = { .code = 0 };
	int passes = host_docker_passes(&err);

	(void)host;
	if (passes < 0)
		return doctor_say(f, DOCTOR_BAD, "run it as root", "%s", err.text);
	return passes ? doctor_say(f, DOCTOR_GOOD, "", "Docker's rules do not stand in the way")
		      : doctor_say(f, DOCTOR_BAD, HOST_UP,
				   "Docker's FORWARD chain drops sandboxes' packets");
}

/* Whoever made the chain knows best how it is told; firewalld forgets what others put into its tables. */
static void forward_mend(const struct foreign_finding *found, char mend[DOCTOR_TEXT_SIZE])
{
	if (strcmp(found->table, "firewalld") == 0)
		(void)snprintf(mend, DOCTOR_TEXT_SIZE,
			       "run `firewall-cmd --permanent --zone=trusted "
			       "--add-interface=mf-+ && firewall-cmd --reload` (the gate still "
			       "guards the host), or make sandboxes with --net none");
	else
		(void)snprintf(mend, DOCTOR_TEXT_SIZE,
			       "run `nft 'insert rule %s %.40s %.40s %sifname \"mf-*\" accept'` "
			       "and the same with %sifname, or make sandboxes with --net none",
			       found->family, found->table, found->chain,
			       found->answers ? "o" : "i", found->answers ? "i" : "o");
}

static enum doctor_level check_forward(const struct host_config *host, struct doctor_finding *f)
{
	struct foreign_finding found;
	char mend[DOCTOR_TEXT_SIZE];
	struct err err;

	if (foreign_look(host, &found, &err) < 0)
		return doctor_say(f, DOCTOR_NOTE, "run it as root", "%s", err.text);
	if (found.verdict == FOREIGN_PASSES)
		return doctor_say(f, DOCTOR_GOOD, "",
				  "no other chain drops what sandboxes send or get");
	forward_mend(&found, mend);
	return doctor_say(f, found.verdict == FOREIGN_DROPS ? DOCTOR_BAD : DOCTOR_NOTE, mend,
			  "the chain %s %.60s %.60s %s what sandboxes %s", found.family,
			  found.table, found.chain,
			  found.verdict == FOREIGN_DROPS ? "drops" : "may drop",
			  found.answers ? "get as answers" : "send");
}

/* An interface that would hear routers, but for this host's forwarding. */
static bool is_deaf(const char *interface)
{
	char path[128];
	bool hears;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", interface);
	hears = doctor_number(path) == 1;
	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", interface);
	return hears && doctor_number(path) == 1;
}

/* The kernel forgets a router's default route once it forwards, unless it is told otherwise. */
static enum doctor_level check_ra(const struct host_config *host, struct doctor_finding *f)
{
	char uplink[IFNAMSIZ], path[128];
	bool by_ra;

	foreign_uplink(true, uplink, &by_ra);
	if (!host->ipv6 || !by_ra)
		return doctor_say(f, DOCTOR_GOOD, "",
				  "no IPv6 default route hangs on router advertisements");
	if (!is_deaf(uplink))
		return doctor_say(f, DOCTOR_GOOD, "", "%s hears router advertisements", uplink);
	(void)snprintf(path, sizeof(path), "run `sysctl net.ipv6.conf.%s.accept_ra=2`", uplink);
	return doctor_say(f, DOCTOR_BAD, path,
			  "%s lives on router advertisements and does not hear them while this "
			  "host forwards: its IPv6 default route will expire",
			  uplink);
}

static enum doctor_level check_uplink(const struct host_config *host, struct doctor_finding *f)
{
	char uplink4[IFNAMSIZ], uplink6[IFNAMSIZ];

	foreign_uplink(false, uplink4, NULL);
	foreign_uplink(true, uplink6, NULL);
	if (!uplink4[0] && !(host->ipv6 && uplink6[0]))
		return doctor_say(f, DOCTOR_NOTE, "give this host a default route",
				  "this host has no default route: sandboxes reach no further "
				  "than its own networks");
	if (host->ipv6 && !uplink6[0] && is_deaf(uplink4))
		return doctor_say(f, DOCTOR_NOTE,
				  "if a router advertises itself there, set that interface's "
				  "accept_ra to 2; else set network.ipv6 = false",
				  "this host has no IPv6 default route, and does not hear routers "
				  "on %s while it forwards",
				  uplink4);
	if (host->ipv6 && !uplink6[0])
		return doctor_say(
			f, DOCTOR_NOTE, "give this host IPv6, or set network.ipv6 = false",
			"this host has no IPv6 default route: sandboxes reach the outside "
			"by IPv4 alone");
	if (host->ipv6 && !uplink4[0])
		return doctor_say(
			f, DOCTOR_NOTE, "give this host an IPv4 default route",
			"this host has no IPv4 default route: sandboxes reach the outside "
			"by IPv6 alone");
	return doctor_say(f, DOCTOR_GOOD, "", "sandboxes reach the outside by %s%s%s",
			  uplink4[0] ? uplink4 : uplink6,
			  host->ipv6 && strcmp(uplink4, uplink6) != 0 ? " and, IPv6, by " : "",
			  host->ipv6 && strcmp(uplink4, uplink6) != 0 ? uplink6 : "");
}

const struct doctor_row doctor_net_rows[] = {
	{ "gate", check_gate, true },	    { "forwarding", check_forwarding, false },
	{ "pools", check_pools, false },    { "Docker", check_docker, true },
	{ "forward", check_forward, true }, { "adverts", check_ra, false },
	{ "uplink", check_uplink, false },  { 0 },
};
