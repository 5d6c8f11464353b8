/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define RESOLV_TEXT_MAX 16384

/*
 * An address that another machine could ask: no loopback, no "any", and no link-local (its zone
 * means nothing inside).
 */
static bool is_usable(const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) != 127 && v4.s_addr != 0;
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return false;
	return !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6) &&
	       !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6);
}

int resolv_parse(const char *text, char out[SPEC_MAX_RESOLVERS][46])
{
	static const char word[] = "nameserver";
	char address[64];
	int n = 0;

	for (const char *line = text; line != NULL && n < SPEC_MAX_RESOLVERS;) {
		const char *newline = strchr(line, '\n');

		if (strncmp(line, word, sizeof(word) - 1) == 0) {
			const char *at = line + sizeof(word) - 1;
			const char *start = at + strspn(at, " \t");
			size_t len = strcspn(start, " \t\r\n#;");

			if (start > at && len > 0 && len < sizeof(address)) {
				memcpy(address, start, len);
				address[len] = '\0';
				if (is_usable(address))
					(void)str_copy(out[n++], 46, address);
			}
		}
		line = newline != NULL ? newline + 1 : NULL;
	}
	return n;
}

static int from_file(const char *path, char out[SPEC_MAX_RESOLVERS][46])
{
	char text[RESOLV_TEXT_MAX];
	struct err err;
	ssize_t len = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &err);

	if (len < 0)
		return 0;
	text[len] = '\0';
	return resolv_parse(text, out);
}

int resolv_upstreams(char out[SPEC_MAX_RESOLVERS][46])
{
	int n = from_file("/etc/resolv.conf", out);

	return n > 0 ? n : from_file("/run/systemd/resolve/resolv.conf", out);
}

void resolv_choose(const char configured[SPEC_MAX_RESOLVERS][46], char out[SPEC_MAX_RESOLVERS][46])
{
	if (configured[0][0] == '\0')
		(void)resolv_upstreams(out);
	else
		memcpy(out, configured, SPEC_MAX_RESOLVERS * sizeof(out[0]));
}
