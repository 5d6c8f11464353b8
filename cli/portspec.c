/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/portspec.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define PORTSPEC_FORM "write it as [ADDR:]HOST:GUEST[/udp], as in 8080:80 or [::1]:8080:80"

static bool is_ipv4(const struct spec_port *port)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)port->address);
}

static bool take_port(const char *text, uint16_t *out)
{
	uint64_t value;

	if (!str_to_u64(text, 65535, &value) || value == 0)
		return false;
	*out = (uint16_t)value;
	return true;
}

/* brackets: an IPv6 address, without its brackets */
static bool take_address(const char *text, bool brackets, uint8_t out[16])
{
	struct in6_addr v6;

	if (!brackets) {
		memset(out, 0, 10);
		out[10] = out[11] = 0xff;
		return inet_pton(AF_INET, text, out + 12) == 1;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6) ||
	    IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_MULTICAST(&v6))
		return false;
	memcpy(out, &v6, sizeof(v6));
	return true;
}

static bool take_protocol(char *text, struct spec_port *port)
{
	char *slash = strchr(text, '/');

	port->protocol = SPEC_TCP;
	if (slash == NULL)
		return true;
	*slash = '\0';
	if (strcmp(slash + 1, "udp") == 0)
		port->protocol = SPEC_UDP;
	return port->protocol == SPEC_UDP || strcmp(slash + 1, "tcp") == 0;
}

/* Cuts text to pieces. NULL, or what is wrong with it. */
static const char *parse(char *text, struct spec_port *port)
{
	char loopback[] = "127.0.0.1", *guest, *host, *address = loopback;
	bool brackets = false;

	if (!take_protocol(text, port))
		return "the protocol is neither tcp nor udp";
	guest = strrchr(text, ':');
	if (guest == NULL)
		return PORTSPEC_FORM;
	*guest++ = '\0';
	host = strrchr(text, ':');
	if (host != NULL && strchr(host, ']') == NULL) {
		*host++ = '\0';
		address = text;
	} else {
		host = text;
	}
	if (!take_port(guest, &port->guest_port) || !take_port(host, &port->host_port))
		return "a port is a number from 1 to 65535; " PORTSPEC_FORM;
	if (address[0] == '[' && address[strlen(address) - 1] == ']') {
		address[strlen(address) - 1] = '\0';
		address++;
		brackets = true;
	}
	if (!take_address(address, brackets, port->address))
		return "not an address to listen on; an IPv6 address stands in brackets";
	return NULL;
}

static bool overlaps(const struct spec_port *a, const struct spec_port *b)
{
	return a->protocol == b->protocol && a->host_port == b->host_port &&
	       is_ipv4(a) == is_ipv4(b) &&
	       (portspec_is_open(a) || portspec_is_open(b) ||
		memcmp(a->address, b->address, sizeof(a->address)) == 0);
}

int portspec_add(struct spec_port ports[SPEC_MAX_PORTS], const char *text, struct err *err)
{
	struct spec_port port = { 0 };
	char copy[PORTSPEC_TEXT_SIZE + 16];
	const char *wrong = PORTSPEC_FORM;
	unsigned n = 0;

	if (str_copy(copy, sizeof(copy), text))
		wrong = parse(copy, &port);
	if (wrong != NULL)
		return err_set(err, ERR_USAGE, "--publish %.80s: %s", text, wrong);
	for (; n < SPEC_MAX_PORTS && ports[n].protocol != 0; n++) {
		if (overlaps(&ports[n], &port))
			return err_set(err, ERR_USAGE,
				       "--publish %.80s: port %u of the host is published twice",
				       text, port.host_port);
	}
	if (n == SPEC_MAX_PORTS)
		return err_set(err, ERR_USAGE, "--publish: at most %d times", SPEC_MAX_PORTS);
	ports[n] = port;
	return 0;
}

const char *portspec_address(const struct spec_port *port, char buf[INET6_ADDRSTRLEN])
{
	bool four = is_ipv4(port);

	buf[0] = '\0';
	(void)inet_ntop(four ? AF_INET : AF_INET6, port->address + (four ? 12 : 0), buf,
			INET6_ADDRSTRLEN);
	return buf;
}

const char *portspec_text(const struct spec_port *port, char buf[PORTSPEC_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	(void)snprintf(buf, PORTSPEC_TEXT_SIZE, is_ipv4(port) ? "%s:%u" : "[%s]:%u",
		       portspec_address(port, address), port->host_port);
	return buf;
}

const char *portspec_protocol(const struct spec_port *port)
{
	return port->protocol == SPEC_UDP ? "udp" : "tcp";
}

bool portspec_is_open(const struct spec_port *port)
{
	static const uint8_t any[16];
	bool four = is_ipv4(port);

	return memcmp(port->address + (four ? 12 : 0), any, four ? 4 : 16) == 0;
}
