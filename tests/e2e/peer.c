/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * A guest's services, for tests of published ports: peer PROTOCOL:PORT:WORD… listens on all addresses, IPv4 and IPv6, and
 * goes to the background when all of them do. Words: echo (until the client's end, then its own), sum (reads to the
 * client's end, then answers with the number of bytes and their hash), source (64 MiB, then the end), deaf (reads
 * nothing, says nothing), reset (one byte, then a reset), who (the client's address). UDP knows echo and who.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"

#define SOURCE_BYTES (64u << 20)
#define MAX_SERVICES 16

static char buf[65536];

struct service {
	int fd, type;
	void (*talk)(int fd);
	bool who;
};

static void echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (fd_write_all(fd, buf, (size_t)n) < 0)
			return;
}

/* FNV-1a, over what the client sent */
static void sum(int fd)
{
	unsigned long long total = 0;
	unsigned hash = 2166136261u;
	char text[64];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		total += (unsigned long long)n;
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ (unsigned char)buf[i]) * 16777619u;
	}
	n = snprintf(text, sizeof(text), "%llu %08x\n", total, hash);
	(void)fd_write_all(fd, text, (size_t)n);
}

/* Byte i is (i * 31) >> 7, cut to eight bits. */
static void source(int fd)
{
	for (unsigned at = 0; at < SOURCE_BYTES; at += (unsigned)sizeof(buf)) {
		for (unsigned i = 0; i < sizeof(buf); i++)
			buf[i] = (char)((at + i) * 31 >> 7);
		if (fd_write_all(fd, buf, sizeof(buf)) < 0)
			return;
	}
}

static void deaf(int fd)
{
	(void)fd;
	for (;;)
		(void)pause();
}

static void reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };
	ssize_t n = read(fd, buf, 1);

	if (n >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void say_who(const struct service *s, int fd, const struct sockaddr_in6 *from, socklen_t len)
{
	char text[INET6_ADDRSTRLEN + 1] = "";

	(void)inet_ntop(AF_INET6, &from->sin6_addr, text, INET6_ADDRSTRLEN);
	strcat(text, "\n");
	(void)sendto(fd, text, strlen(text), 0,
		     s->type == SOCK_DGRAM ? (const struct sockaddr *)from : NULL,
		     s->type == SOCK_DGRAM ? len : 0);
}

static void serve(const struct service *s)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	int fd;

	if (s->type == SOCK_DGRAM) {
		ssize_t n = recvfrom(s->fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n >= 0 && s->who)
			say_who(s, s->fd, &from, len);
		else if (n >= 0)
			(void)sendto(s->fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		return;
	}
	fd = accept(s->fd, (struct sockaddr *)&from, &len);
	if (fd >= 0 && fork() == 0) {
		if (s->who)
			say_who(s, fd, &from, len);
		else
			s->talk(fd);
		_exit(0);
	}
	(void)close(fd);
}

static bool open_service(struct service *s, const char *text)
{
	static const struct {
		const char *word;
		void (*talk)(int fd);
	} words[] = {
		{ "echo", echo }, { "sum", sum },     { "source", source },
		{ "deaf", deaf }, { "reset", reset }, { "who", NULL },
	};
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	char protocol[8], word[16];
	const int on = 1;
	unsigned port;

	if (sscanf(text, "%7[a-z]:%u:%15[a-z]", protocol, &port, word) != 3)
		return false;
	sa.sin6_port = htons((uint16_t)port);
	s->type = strcmp(protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	s->fd = socket(AF_INET6, s->type, 0);
	s->who = strcmp(word, "who") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i].word) == 0)
			s->talk = words[i].talk;
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	       (s->type == SOCK_DGRAM || listen(s->fd, 256) == 0);
}

int main(int argc, char **argv)
{
	struct service services[MAX_SERVICES] = { 0 };
	struct pollfd fds[MAX_SERVICES];
	int n = argc - 1;

	for (int i = 0; i < n && i < MAX_SERVICES; i++) {
		if (!open_service(&services[i], argv[i + 1])) {
			perror(argv[i + 1]);
			return 1;
		}
		fds[i] = (struct pollfd){ .fd = services[i].fd, .events = POLLIN };
	}
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (daemon(0, 0) < 0)
		return 1;
	for (;;) {
		(void)poll(fds, (nfds_t)n, -1);
		for (int i = 0; i < n; i++)
			if (fds[i].revents)
				serve(&services[i]);
	}
}
