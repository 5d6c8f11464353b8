/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Doctor's checks of the network: the gate, forwarding, address pools, and other tools' rules. */
#include "keeper/doctor.h"
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

const struct doctor_row doctor_net_rows[] = {
	{ "gate", check_gate, true },
	{ "forwarding", check_forwarding, false },
	{ "pools", check_pools, false },
	{ "Docker", check_docker, true },
	{ 0 },
};
