/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/egress.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/str.h"

#define V4_BITS 96 /* in front of an IPv4-mapped address */

static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const struct spec_egress *network)
{
	return network->prefix >= V4_BITS &&
	       memcmp(network->address, v4_mapped, sizeof(v4_mapped)) == 0;
}

/* Are the first bits of a and b the same? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}

static bool has_host_bits(const struct spec_egress *network)
{
	uint8_t cut[16] = { 0 };

	for (unsigned bit = 0; bit < network->prefix; bit++)
		cut[bit / 8] |= (uint8_t)(network->address[bit / 8] & (0x80 >> bit % 8));
	return memcmp(cut, network->address, sizeof(cut)) != 0;
}

/* "ADDRESS[/LENGTH]", brackets and port gone. */
static const char *parse_address(char *text, struct spec_egress *network)
{
	static const char wrong[] = "not a network: write it as 192.0.2.0/24, 192.0.2.0/24:443, "
				    "2001:db8::/32 or [2001:db8::/32]:443";
	char *slash = strchr(text, '/');
	bool v4 = strchr(text, ':') == NULL;
	uint64_t length = v4 ? 32 : 128;

	if (slash != NULL)
		*slash = '\0';
	if (slash != NULL && !str_to_u64(slash + 1, length, &length))
		return wrong;
	if (v4)
		memcpy(network->address, v4_mapped, sizeof(v4_mapped));
	if (inet_pton(v4 ? AF_INET : AF_INET6, text, network->address + (v4 ? 12 : 0)) != 1)
		return wrong;
	if (!v4 && memcmp(network->address, v4_mapped, sizeof(v4_mapped)) == 0)
		return "an IPv4 network is written as one: 192.0.2.0/24";
	network->prefix = (uint8_t)(length + (v4 ? V4_BITS : 0));
	return has_host_bits(network) ? "has bits set behind its prefix length" : NULL;
}

const char *egress_parse_network(const char *text, struct spec_egress *network)
{
	char copy[EGRESS_TEXT_SIZE], *address = copy, *port = NULL;
	uint64_t number = 0;

	memset(network, 0, sizeof(*network));
	if (!str_copy(copy, sizeof(copy), text))
		return "too long for a network";
	if (copy[0] == '[') {
		char *close = strchr(copy, ']');

		if (close == NULL || close[1] != ':')
			return "a port stands behind the brackets: [2001:db8::/32]:443";
		address = copy + 1;
		*close = '\0';
		port = close + 2;
		if (strchr(address, ':') == NULL)
			return "brackets are for IPv6";
	} else if (strchr(copy, ':') != NULL && strchr(copy, ':') == strrchr(copy, ':')) {
		port = strchr(copy, ':');
		*port++ = '\0';
	}
	if (port != NULL && (!str_to_u64(port, 65535, &number) || number == 0))
		return "a port is a number of 1 to 65535";
	network->port = (uint16_t)number;
	return parse_address(address, network);
}

const char *egress_add(struct egress *egress, const char *word, size_t n_words)
{
	if (strcmp(word, "any") == 0 || strcmp(word, "none") == 0) {
		egress->limited = word[0] == 'n';
		return n_words == 1 ? NULL : "any and none stand alone";
	}
	if (egress->n == SPEC_MAX_EGRESS)
		return "too many networks: at most 16";
	return egress_parse_network(word, &egress->list[egress->n++]);
}

bool egress_allows(const struct egress *egress, const struct spec_egress *network)
{
	if (!egress->limited)
		return true;
	for (unsigned i = 0; i < egress->n; i++) {
		const struct spec_egress *outer = &egress->list[i];

		/* ::/0 has the mapped addresses in it, and means IPv6 alone */
		if (is_v4(outer) == is_v4(network) && outer->prefix <= network->prefix &&
		    (outer->port == 0 || outer->port == network->port) &&
		    same_bits(outer->address, network->address, outer->prefix))
			return true;
	}
	return false;
}

const char *egress_text(const struct spec_egress *network, char out[EGRESS_TEXT_SIZE])
{
	bool v4 = is_v4(network), brackets = !v4 && network->port != 0;
	char address[INET6_ADDRSTRLEN], port[8] = "";
	const char *text = inet_ntop(v4 ? AF_INET : AF_INET6, network->address + (v4 ? 12 : 0),
				     address, sizeof(address));

	BUG_ON(text == NULL);
	if (network->port != 0)
		(void)snprintf(port, sizeof(port), ":%u", network->port);
	(void)snprintf(out, EGRESS_TEXT_SIZE, "%s%s/%u%s%s", brackets ? "[" : "", text,
		       network->prefix - (v4 ? V4_BITS : 0u), brackets ? "]" : "", port);
	return out;
}
