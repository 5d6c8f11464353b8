/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/portdiag.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "store/paths.h"
#include "store/spec.h"

/* ---- the kernel's list ---- */

struct portdiag_socket {
	bool four;
	uint8_t address[16]; /* the first 4 bytes for IPv4 */
	uint16_t port;
	uint32_t inode;
};

typedef void portdiag_visit(const struct portdiag_socket *socket, void *arg);

static const struct {
	const char *path;
	uint32_t protocol;
	bool four;
	unsigned state; /* TCP: only listeners */
} portdiag_lists[] = {
	{ "/proc/net/tcp", SPEC_TCP, true, TCP_LISTEN },
	{ "/proc/net/tcp6", SPEC_TCP, false, TCP_LISTEN },
	{ "/proc/net/udp", SPEC_UDP, true, 0 },
	{ "/proc/net/udp6", SPEC_UDP, false, 0 },
};

/* The address is printed as 32-bit words of this host's byte order (net/ipv4/tcp_ipv4.c: get_tcp4_sock) */
static bool portdiag_line(const char *line, bool four, unsigned state,
			  struct portdiag_socket *socket)
{
	unsigned port, is, words[4];
	char address[33];

	if (sscanf(line,
		   " %*d: %32[0-9A-F]:%4X %*32[0-9A-F]:%*4X %2X %*8X:%*8X %*2X:%*8X %*8X %*u %*d "
		   "%u",
		   address, &port, &is, &socket->inode) != 4 ||
	    (state && is != state) ||
	    sscanf(address, "%8X%8X%8X%8X", &words[0], &words[1], &words[2], &words[3]) !=
		    (four ? 1 : 4))
		return false;
	socket->four = four;
	socket->port = (uint16_t)port;
	memcpy(socket->address, words, four ? 4 : 16);
	return true;
}

/* A file that isn't there is a kind of socket that this kernel has not. */
static int portdiag_each(portdiag_visit *visit, uint32_t protocol, void *arg, struct err *err)
{
	char line[512];

	for (size_t i = 0; i < ARRAY_SIZE(portdiag_lists); i++) {
		bool unread;
		FILE *file;

		if (protocol && portdiag_lists[i].protocol != protocol)
			continue;
		file = fopen(portdiag_lists[i].path, "re");
		if (!file && errno != ENOENT)
			return err_sys(err, "can't read %s", portdiag_lists[i].path);
		while (file && fgets(line, sizeof(line), file)) {
			struct portdiag_socket socket = { 0 };

			if (portdiag_line(line, portdiag_lists[i].four, portdiag_lists[i].state,
					  &socket))
				visit(&socket, arg);
		}
		unread = file && ferror(file); /* what wasn't seen isn't absent */
		if (unread)
			(void)err_sys(err, "can't read %s", portdiag_lists[i].path);
		if (file)
			(void)fclose(file);
		if (unread)
			return -1;
	}
	return 0;
}

struct portdiag_inodes {
	const uint32_t *inodes;
	unsigned n;
	bool found;
};

static void portdiag_compare(const struct portdiag_socket *socket, void *arg)
{
	struct portdiag_inodes *wanted = arg;

	for (unsigned i = 0; i < wanted->n; i++)
		wanted->found |= socket->inode == wanted->inodes[i];
}

int portdiag_any(const uint32_t *inodes, unsigned n, struct err *err)
{
	struct portdiag_inodes wanted = { .inodes = inodes, .n = n };

	if (n == 0)
		return 0;
	return portdiag_each(portdiag_compare, 0, &wanted, err) < 0 ? -1 : wanted.found;
}

/* ---- whose a port is ---- */

const char *portdiag_text(const struct spec_port *port, char buf[PORTDIAG_TEXT_SIZE])
{
	bool four = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)port->address);
	char address[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(four ? AF_INET : AF_INET6, port->address + (four ? 12 : 0), address,
			sizeof(address));
	(void)snprintf(buf, PORTDIAG_TEXT_SIZE, four ? "%s:%u/%s" : "[%s]:%u/%s", address,
		       port->host_port, port->protocol == SPEC_UDP ? "udp" : "tcp");
	return buf;
}

struct portdiag_find {
	const struct spec_port *port;
	uint32_t inode; /* 0: none yet */
};

/* Either asks for every address, or both for the same one. */
static bool portdiag_overlap(const struct portdiag_socket *socket, const struct spec_port *port)
{
	static const uint8_t any[16];
	bool four = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)port->address);
	const uint8_t *wanted = port->address + (four ? 12 : 0);
	size_t size = four ? 4 : 16;

	if (four && !socket->four) /* it may listen for IPv4 too */
		return memcmp(socket->address, any, sizeof(any)) == 0;
	return socket->four == four &&
	       (memcmp(wanted, any, size) == 0 || memcmp(socket->address, any, size) == 0 ||
		memcmp(socket->address, wanted, size) == 0);
}

static void portdiag_match(const struct portdiag_socket *socket, void *arg)
{
	struct portdiag_find *find = arg;

	if (find->inode == 0 && socket->port == find->port->host_port && socket->inode != 0 &&
	    portdiag_overlap(socket, find->port))
		find->inode = socket->inode;
}

/* Does that process hold the socket? */
static bool portdiag_holds(const char *pid, const char *link)
{
	char path[64], target[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		found = strcmp(target, link) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

static ssize_t portdiag_read(const char *pid, const char *name, char *text, size_t size)
{
	char path[64];
	struct err ignored;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, name);
	n = fd_read_file(AT_FDCWD, path, text, size - 1, &ignored);
	text[n < 0 ? 0 : n] = '\0';
	return n;
}

/* A keeper is better named by its sandbox: mayfly-keeper --start ID … */
static bool portdiag_sandbox(const char *pid, const struct host_config *host,
			     char buf[PORTDIAG_WHO_SIZE])
{
	static struct spec spec;
	char line[4096], path[PATHS_SIZE];
	ssize_t n = portdiag_read(pid, "cmdline", line, sizeof(line));
	struct err ignored;
	bool known = false;

	for (const char *at = line; at < line + n && !known; at += strlen(at) + 1)
		known = id_is_valid(at) && host &&
			spec_read(paths_sandbox(host, at, "spec", path), &spec, &ignored) == 0;
	if (known)
		(void)snprintf(buf, PORTDIAG_WHO_SIZE, "sandbox %s", spec.name);
	explicit_bzero(&spec, sizeof(spec));
	return known;
}

static void portdiag_name(const char *pid, const struct host_config *host,
			  char buf[PORTDIAG_WHO_SIZE])
{
	char name[32];

	(void)portdiag_read(pid, "comm", name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	if (strncmp(name, "mayfly-keeper", 13) != 0 || !portdiag_sandbox(pid, host, buf))
		(void)snprintf(buf, PORTDIAG_WHO_SIZE, "%s (pid %.20s)", name, pid);
}

const char *portdiag_holder(const struct spec_port *port, const struct host_config *host,
			    char buf[PORTDIAG_WHO_SIZE])
{
	struct portdiag_find find = { .port = port };
	struct dirent *entry;
	struct err ignored;
	char link[64];
	DIR *dir;

	buf[0] = '\0';
	if (portdiag_each(portdiag_match, port->protocol, &find, &ignored) < 0 || find.inode == 0)
		return buf;
	(void)snprintf(link, sizeof(link), "socket:[%u]", find.inode);
	dir = opendir("/proc");
	while (dir && !buf[0] && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    portdiag_holds(entry->d_name, link))
			portdiag_name(entry->d_name, host, buf);
	if (dir)
		(void)closedir(dir);
	return buf;
}
