/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/netopts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/portspec.h"

int netopts_option(struct netopts *options, int id, const char *value, struct err *err)
{
	switch (id) {
	case 'p':
		if (options->n_publish == SPEC_MAX_PORTS)
			return err_set(err, ERR_USAGE, "--publish: at most %d times",
				       SPEC_MAX_PORTS);
		options->publish[options->n_publish++] = value;
		return 1;
	case NETOPTS_ADDRESS:
		options->address = value;
		return 1;
	case NETOPTS_NET:
		options->none = strcmp(value, "none") == 0;
		if (!options->none && strcmp(value, "nat") != 0)
			return err_set(err, ERR_USAGE, "--net %.60s: neither nat nor none", value);
		return 1;
	case NETOPTS_EGRESS:
		if (options->n_egress == SPEC_MAX_EGRESS)
			return err_set(err, ERR_USAGE, "--egress: at most %d times",
				       SPEC_MAX_EGRESS);
		options->egress[options->n_egress++] = value;
		return 1;
	case NETOPTS_NO_IPV6:
		options->no_ipv6 = true;
		return 1;
	default:
		return 0;
	}
}

static const char *ipv4_text(uint32_t address, char buf[INET_ADDRSTRLEN])
{
	struct in_addr in = { .s_addr = htonl(address) };

	return inet_ntop(AF_INET, &in, buf, INET_ADDRSTRLEN);
}

/* Slot n has the pool's addresses 2n, the host's, and 2n + 1, the guest's (keeper/plan.h). */
static int take_address(const char *text, struct spec *spec, struct err *err)
{
	const struct host_config *host = &spec->host;
	char first[INET_ADDRSTRLEN], last[INET_ADDRSTRLEN];
	struct in_addr in;
	uint32_t offset;

	if (inet_pton(AF_INET, text, &in) != 1)
		return err_set(err, ERR_USAGE, "--address %.60s: not an IPv4 address", text);
	offset = ntohl(in.s_addr) - host->pool4;
	if (ntohl(in.s_addr) < host->pool4 || offset / 2 >= host->slot_count)
		return err_set(err, ERR_USAGE,
			       "--address %s: sandboxes have the odd addresses from %s to %s", text,
			       ipv4_text(host->pool4 + 1, first),
			       ipv4_text(host->pool4 + 2 * host->slot_count - 1, last));
	if (offset % 2 == 0)
		return err_set(
			err, ERR_USAGE,
			"--address %s: that is the host's half of a pair; the sandbox's is %s",
			text, ipv4_text(host->pool4 + offset + 1, first));
	spec->wanted_slot = 1 + offset / 2;
	return 0;
}

static void warn_open(const struct spec *spec)
{
	char text[PORTSPEC_TEXT_SIZE];

	for (unsigned i = 0; i < SPEC_MAX_PORTS && spec->ports[i].protocol != 0; i++) {
		if (portspec_is_open(&spec->ports[i]))
			log_warning("%s/%s is open to everybody who reaches this host",
				    portspec_text(&spec->ports[i], text),
				    portspec_protocol(&spec->ports[i]));
	}
}

int netopts_resolve(const struct netopts *options, struct spec *spec, struct err *err)
{
	if (options->none && (options->n_publish > 0 || options->address != NULL))
		return err_set(err, ERR_USAGE,
			       "--net none has neither ports nor an address: leave out %s",
			       options->n_publish > 0 ? "--publish" : "--address");
	if (options->none && options->n_egress > 0)
		return err_set(err, ERR_USAGE,
			       "--net none has nothing to send through: leave out --egress");
	if (options->none)
		spec->flags &= ~(uint32_t)SPEC_NET;
	if (options->no_ipv6)
		spec->host.ipv6 = 0;
	for (unsigned i = 0; i < options->n_publish; i++) {
		if (portspec_add(spec->ports, options->publish[i], err) < 0)
			return -1;
	}
	if (options->address != NULL && take_address(options->address, spec, err) < 0)
		return -1;
	warn_open(spec);
	return 0;
}
