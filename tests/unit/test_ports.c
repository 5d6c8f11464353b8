/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Published ports without a guest: the bytes of one connection through socket pairs, whole ports over the loopback with
 * this process as client and as guest, and how --publish is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/netopts.h"
#include "cli/portspec.h"
#include "keeper/portdiag.h"
#include "keeper/ports.h"
#include "keeper/porttcp.h"
#include "keeper/relay.h"

static uint8_t scratch[RELAY_CHUNK];

/* ---- the relay ---- */

/* Two pairs: [0] is the test's, [1] the relay's. */
struct pairs {
	int client[2], guest[2];
	struct relay r;
};

static void pairs_open(struct pairs *p)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->guest), 0);
	p->r = (struct relay){ .fd = { p->client[1], p->guest[1] } };
}

static void pairs_close(struct pairs *p)
{
	relay_close(&p->r);
	fd_close(&p->client[0]);
	fd_close(&p->guest[0]);
}

static void test_half_close(void **state)
{
	struct pairs p;
	char buf[16];

	(void)state;
	pairs_open(&p);
	assert_int_equal(send(p.client[0], "question", 8, 0), 8);
	assert_true(relay_move(&p.r, RELAY_CLIENT, scratch));
	assert_int_equal(recv(p.guest[0], buf, sizeof(buf), 0), 8);
	assert_int_equal(shutdown(p.client[0], SHUT_WR), 0);
	assert_true(relay_move(&p.r, RELAY_CLIENT, scratch));
	assert_int_equal(recv(p.guest[0], buf, sizeof(buf), 0), 0);
	assert_false(relay_over(&p.r));
	assert_int_equal(relay_events(&p.r, RELAY_CLIENT), 0);
	/* the other way is still open */
	assert_int_equal(send(p.guest[0], "answer", 6, 0), 6);
	assert_true(relay_move(&p.r, RELAY_GUEST, scratch));
	assert_int_equal(recv(p.client[0], buf, sizeof(buf), 0), 6);
	fd_close(&p.guest[0]);
	assert_true(relay_move(&p.r, RELAY_GUEST, scratch));
	assert_true(relay_over(&p.r));
	pairs_close(&p);
}

/* What the guest does not take stays with its sender, is held back there, and arrives whole and in order. */
static void test_back_pressure(void **state)
{
	static uint8_t sent[1 << 20], got[sizeof(sent)];
	size_t n_sent = 0, n_got = 0;
	struct pairs p;

	(void)state;
	pairs_open(&p);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 24);
	for (;;) {
		ssize_t n = send(p.client[0], sent + n_sent, sizeof(sent) - n_sent, 0);

		n_sent += n > 0 ? (size_t)n : 0;
		assert_true(relay_move(&p.r, RELAY_CLIENT, scratch));
		if (n <= 0 && p.r.blocked[RELAY_CLIENT])
			break;
	}
	assert_true(n_sent < sizeof(sent));
	/* blocked: nothing is asked of the client, room of the guest */
	assert_int_equal(relay_events(&p.r, RELAY_CLIENT), 0);
	assert_int_equal(relay_events(&p.r, RELAY_GUEST), EPOLLIN | EPOLLOUT);
	while (n_got < sizeof(got)) {
		ssize_t n = recv(p.guest[0], got + n_got, sizeof(got) - n_got, 0);

		n_got += n > 0 ? (size_t)n : 0;
		n = send(p.client[0], sent + n_sent, sizeof(sent) - n_sent, 0);
		n_sent += n > 0 ? (size_t)n : 0;
		assert_true(relay_move(&p.r, RELAY_CLIENT, scratch));
	}
	assert_memory_equal(sent, got, sizeof(sent));
	pairs_close(&p);
}

static void test_broken(void **state)
{
	struct pairs p;

	(void)state;
	pairs_open(&p);
	fd_close(&p.guest[0]);
	assert_int_equal(send(p.client[0], "x", 1, 0), 1);
	assert_false(relay_move(&p.r, RELAY_CLIENT, scratch));
	pairs_close(&p);
}

/* ---- whole ports, over the loopback ---- */

static const struct guestsock_to loopback = { .ipv4 = INADDR_LOOPBACK, .ipv6 = { [15] = 1 } };

static int listener(int type, uint16_t *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

/* A port of the host that nobody has just now. */
static uint16_t free_port(int type)
{
	uint16_t port;
	int fd = listener(type, &port);

	fd_close(&fd);
	return port;
}

static struct spec_port port_of(uint32_t protocol, uint16_t host, uint16_t guest)
{
	return (struct spec_port){ .protocol = protocol,
				   .host_port = host,
				   .guest_port = guest,
				   .address = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
}

static struct ports *open_port(const struct spec_port *port)
{
	struct spec_port list[SPEC_MAX_PORTS] = { *port };
	struct ports *p = NULL;
	struct err err;

	if (ports_open(&p, list, &loopback, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static int dial(int type, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fd_close(&fd);
	return fd;
}

/* Turns until fd can be read, or there is nothing to do for 2 s. */
static bool turn_until(struct ports *p, int fd)
{
	for (int idle = 0; idle < 20;) {
		struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
					 { .fd = ports_fd(p), .events = POLLIN } };

		idle += poll(fds, 2, 100) == 0;
		if (fds[0].revents)
			return true;
		if (fds[1].revents)
			ports_turn(p);
	}
	return false;
}

static void test_tcp(void **state)
{
	uint16_t guest_port;
	int guest = listener(SOCK_STREAM, &guest_port), client, inside;
	uint16_t host_port = free_port(SOCK_STREAM);
	struct spec_port port = port_of(SPEC_TCP, host_port, guest_port);
	struct ports *p = open_port(&port);
	char buf[8];

	(void)state;
	client = dial(SOCK_STREAM, host_port);
	assert_true(client >= 0);
	assert_true(turn_until(p, guest));
	inside = accept(guest, NULL, NULL);
	assert_int_equal(send(client, "hello", 5, 0), 5);
	assert_true(turn_until(p, inside));
	assert_int_equal(recv(inside, buf, sizeof(buf), 0), 5);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_true(turn_until(p, inside));
	assert_int_equal(recv(inside, buf, sizeof(buf), 0), 0);
	assert_int_equal(send(inside, "bye", 3, 0), 3);
	assert_true(turn_until(p, client));
	assert_int_equal(recv(client, buf, sizeof(buf), 0), 3);
	/* new ones are refused, what goes on goes on */
	ports_hush(p);
	assert_int_equal(dial(SOCK_STREAM, host_port), -1);
	assert_int_equal(send(inside, "end", 3, 0), 3);
	assert_true(turn_until(p, client));
	assert_int_equal(recv(client, buf, sizeof(buf), 0), 3);
	fd_close(&inside);
	assert_true(turn_until(p, client));
	assert_int_equal(recv(client, buf, sizeof(buf), 0), 0);
	ports_close(&p);
	assert_null(p);
	ports_close(&p);
	fd_close(&client);
	fd_close(&guest);
}

/* Nobody listens in the guest: the client is told by a reset, and once somebody does, it works. */
static void test_refused(void **state)
{
	uint16_t guest_port, host_port;
	int held = listener(SOCK_STREAM, &guest_port); /* so that the two are not the same */
	struct spec_port port;
	struct ports *p;
	int client;
	char byte;

	(void)state;
	host_port = free_port(SOCK_STREAM);
	fd_close(&held);
	port = port_of(SPEC_TCP, host_port, guest_port);
	p = open_port(&port);
	client = dial(SOCK_STREAM, host_port);
	assert_true(turn_until(p, client));
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	fd_close(&client);
	ports_close(&p);
}

/* Guests that take nothing, and clients beyond the limit, hold nobody up. */
static void test_crowd(void **state)
{
	static int clients[PORTTCP_MAX + 1];
	uint16_t guest_port;
	int guest = listener(SOCK_STREAM, &guest_port);
	uint16_t host_port = free_port(SOCK_STREAM);
	struct spec_port port = port_of(SPEC_TCP, host_port, guest_port);
	struct ports *p = open_port(&port);
	unsigned refused = 0;
	char byte;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
		clients[i] = dial(SOCK_STREAM, host_port);
		assert_true(clients[i] >= 0);
		(void)turn_until(p, ports_fd(p));
		ports_turn(p);
	}
	for (int i = 0; i < 200; i++)
		ports_turn(p);
	for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
		refused += recv(clients[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
		fd_close(&clients[i]);
	}
	assert_in_range(refused, 1, ARRAY_SIZE(clients));
	ports_close(&p);
	fd_close(&guest);
}

static void test_udp(void **state)
{
	uint16_t guest_port;
	int guest = listener(SOCK_DGRAM, &guest_port), one, two;
	uint16_t host_port = free_port(SOCK_DGRAM);
	struct spec_port port = port_of(SPEC_UDP, host_port, guest_port);
	struct ports *p = open_port(&port);
	struct sockaddr_in from[2];
	socklen_t len = sizeof(from[0]);
	char buf[8];

	(void)state;
	one = dial(SOCK_DGRAM, host_port);
	two = dial(SOCK_DGRAM, host_port);
	assert_int_equal(send(one, "1", 1, 0), 1);
	assert_true(turn_until(p, guest));
	assert_int_equal(recvfrom(guest, buf, sizeof(buf), 0, (struct sockaddr *)&from[0], &len),
			 1);
	assert_int_equal(send(two, "22", 2, 0), 2);
	assert_true(turn_until(p, guest));
	assert_int_equal(recvfrom(guest, buf, sizeof(buf), 0, (struct sockaddr *)&from[1], &len),
			 2);
	/* each answer finds its own client */
	assert_int_equal(sendto(guest, "xx", 2, 0, (struct sockaddr *)&from[1], len), 2);
	assert_int_equal(sendto(guest, "y", 1, 0, (struct sockaddr *)&from[0], len), 1);
	assert_true(turn_until(p, two));
	assert_int_equal(recv(two, buf, sizeof(buf), 0), 2);
	assert_true(turn_until(p, one));
	assert_int_equal(recv(one, buf, sizeof(buf), 0), 1);
	ports_close(&p);
	fd_close(&one);
	fd_close(&two);
	fd_close(&guest);
}

static void test_taken(void **state)
{
	uint16_t host_port;
	int holder = listener(SOCK_STREAM, &host_port);
	struct spec_port list[SPEC_MAX_PORTS] = { port_of(SPEC_TCP, free_port(SOCK_STREAM), 1),
						  port_of(SPEC_TCP, host_port, 80) };
	char sockets[PORTS_SOCKETS_SIZE], pid[32];
	struct ports *p = NULL;
	struct err err;
	uint32_t inode;

	(void)state;
	(void)snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	assert_int_equal(ports_open(&p, list, &loopback, NULL, &err), -1);
	assert_null(p);
	if (!strstr(err.text, pid) || !strstr(err.text, "is taken by"))
		fail_msg("%s", err.text);
	fd_close(&holder);
	list[1] = (struct spec_port){ 0 };
	p = open_port(&list[0]);
	inode = (uint32_t)strtoul(ports_sockets(p, sockets), NULL, 10);
	assert_int_equal(portdiag_any(&inode, 1, &err), 1);
	ports_close(&p);
	assert_int_equal(portdiag_any(&inode, 1, &err), 0);
	/* no address of this host (RFC 5737) */
	list[0].address[12] = 192;
	list[0].address[14] = 2;
	assert_int_equal(ports_open(&p, list, &loopback, NULL, &err), -1);
	assert_non_null(strstr(err.text, "no address of this host"));
}

/* ---- how they are written ---- */

static void test_portspec(void **state)
{
	static const struct {
		const char *text, *host; /* host NULL: refused */
		unsigned guest;
		const char *rest; /* the protocol, or a part of the refusal */
	} cases[] = {
		{ "8080:80", "127.0.0.1:8080", 80, "tcp" },
		{ "8080:80/tcp", "127.0.0.1:8080", 80, "tcp" },
		{ "53:5353/udp", "127.0.0.1:53", 5353, "udp" },
		{ "0.0.0.0:1:65535", "0.0.0.0:1", 65535, "tcp" },
		{ "[::]:1:2", "[::]:1", 2, "tcp" },
		{ "[2001:db8::1]:443:8443", "[2001:db8::1]:443", 8443, "tcp" },
		{ "80", NULL, 0, "[ADDR:]HOST:GUEST" },
		{ "", NULL, 0, "[ADDR:]HOST:GUEST" },
		{ "0:80", NULL, 0, "1 to 65535" },
		{ "80:65536", NULL, 0, "1 to 65535" },
		{ "80:", NULL, 0, "1 to 65535" },
		{ ":80:80", NULL, 0, "not an address" },
		{ "-1:80", NULL, 0, "1 to 65535" },
		{ "[::1]:80", NULL, 0, "1 to 65535" },
		{ "::1:80:80", NULL, 0, "brackets" },
		{ "[127.0.0.1]:80:80", NULL, 0, "not an address" },
		{ "[fe80::1]:80:80", NULL, 0, "not an address" },
		{ "[::ffff:1.2.3.4]:80:80", NULL, 0, "not an address" },
		{ "localhost:80:80", NULL, 0, "not an address" },
		{ "80:80/sctp", NULL, 0, "neither tcp nor udp" },
		{ "80:80/", NULL, 0, "neither tcp nor udp" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct spec_port ports[SPEC_MAX_PORTS] = { 0 };
		char text[PORTSPEC_TEXT_SIZE];
		struct err err = { 0 };
		int rc = portspec_add(ports, cases[i].text, &err);

		if (cases[i].host == NULL) {
			if (rc == 0 || err.code != ERR_USAGE || !strstr(err.text, cases[i].rest))
				fail_msg("%s: %s", cases[i].text, err.text);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(portspec_text(ports, text), cases[i].host);
		assert_int_equal(ports[0].guest_port, cases[i].guest);
		assert_string_equal(portspec_protocol(ports), cases[i].rest);
	}
}

static void test_portspec_list(void **state)
{
	struct spec_port ports[SPEC_MAX_PORTS] = { 0 };
	char text[16];
	struct err err;

	(void)state;
	assert_int_equal(portspec_add(ports, "80:80", &err), 0);
	assert_int_equal(portspec_add(ports, "80:81", &err), -1);
	assert_int_equal(portspec_add(ports, "0.0.0.0:80:81", &err), -1);
	assert_non_null(strstr(err.text, "published twice"));
	assert_int_equal(portspec_add(ports, "80:81/udp", &err), 0);
	assert_int_equal(portspec_add(ports, "[::]:80:81", &err), 0);
	assert_int_equal(portspec_add(ports, "127.0.0.2:80:81", &err), 0);
	for (unsigned i = 4; i < SPEC_MAX_PORTS; i++) {
		(void)snprintf(text, sizeof(text), "%u:80", 100 + i);
		assert_int_equal(portspec_add(ports, text, &err), 0);
	}
	assert_int_equal(portspec_add(ports, "99:80", &err), -1);
	assert_non_null(strstr(err.text, "at most 16"));
}

static void test_address(void **state)
{
	static const struct {
		const char *address;
		uint32_t slot; /* + 1; 0: refused */
		const char *why;
	} cases[] = {
		{ "10.215.0.1", 1, "" },
		{ "10.215.7.255", 1024, "" },
		{ "10.215.0.4", 0, "the sandbox's is 10.215.0.5" },
		{ "10.215.8.1", 0, "from 10.215.0.1 to 10.215.7.255" },
		{ "10.214.255.255", 0, "from 10.215.0.1" },
		{ "fd00::1", 0, "not an IPv4 address" },
		{ "10.215.0", 0, "not an IPv4 address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct netopts options = { .address = cases[i].address };
		static struct spec spec;
		struct err err = { 0 };
		int rc;

		memset(&spec, 0, sizeof(spec));
		spec.host.pool4 = 0x0ad70000;
		spec.host.slot_count = 1024;
		rc = netopts_resolve(&options, &spec, &err);
		assert_int_equal(rc, cases[i].slot ? 0 : -1);
		assert_int_equal(spec.wanted_slot, cases[i].slot);
		if (rc < 0 && !strstr(err.text, cases[i].why))
			fail_msg("%s", err.text);
	}
}

/* A network of its own, where it may have one: no port that was free a moment ago is somebody's then. */
static void leave_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		exit(1);
	fd_close(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_close), cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_broken),	   cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_refused),	   cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_udp),	   cmocka_unit_test(test_taken),
		cmocka_unit_test(test_portspec),   cmocka_unit_test(test_portspec_list),
		cmocka_unit_test(test_address),
	};

	leave_network();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
