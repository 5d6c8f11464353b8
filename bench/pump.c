/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Bytes as fast as they go, for bench/throughput. Static, so that it runs in every guest.
 *
 *	pump serve PORT FILE			in the guest: take orders from one connection after the other
 *	pump ask ADDRESS PORT MARK OP MB	on the host: give an order, print the seconds that it took
 *
 * OP: `in` host to guest, `out` guest to host, `write` and `read` FILE directly, past the guest's page cache. An order
 * is OP's first letter and a 32 bit count of MiB; the guest answers with one byte when it is done, before that with the
 * data of `out`. The clock is the host's. MARK, a packet mark, is what a host's gate may want to see; 0: none.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1u << 20)

static uint8_t block[BLOCK] __attribute__((aligned(4096)));

struct order {
	uint32_t op;
	uint32_t mb;
};

static void send_all(int fd, const void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const uint8_t *)buf + done, len - done);

		if (n <= 0)
			err(1, "write");
		done += (size_t)n;
	}
}

static void take_all(int fd, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (uint8_t *)buf + done, len - done);

		if (n <= 0)
			err(1, "read");
		done += (size_t)n;
	}
}

static void disk(const char *path, bool writes, uint32_t mb)
{
	int fd = open(path, (writes ? O_WRONLY | O_CREAT : O_RDONLY) | O_DIRECT, 0600);

	if (fd < 0)
		err(1, "%s", path);
	for (uint32_t i = 0; i < mb; i++) {
		block[0] = (uint8_t)i;
		if (writes)
			send_all(fd, block, BLOCK);
		else
			take_all(fd, block, BLOCK);
	}
	if (writes && fsync(fd) < 0)
		err(1, "%s", path);
	close(fd);
}

static void serve(int fd, const char *path)
{
	struct order order;

	take_all(fd, &order, sizeof(order));
	for (uint32_t i = 0; i < order.mb && order.op == 'i'; i++)
		take_all(fd, block, BLOCK);
	for (uint32_t i = 0; i < order.mb && order.op == 'o'; i++)
		send_all(fd, block, BLOCK);
	if (order.op == 'w' || order.op == 'r')
		disk(path, order.op == 'w', order.mb);
	send_all(fd, "!", 1);
}

static int serve_all(uint16_t port, const char *path)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int sock = socket(AF_INET6, SOCK_STREAM, 0);
	const int on = 1;

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(sock, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(sock, 8) < 0)
		err(1, "port %u", port);
	signal(SIGCHLD, SIG_IGN);
	if (daemon(1, 0) < 0)
		err(1, "daemon");
	for (;;) {
		int fd = accept(sock, NULL, NULL);

		if (fd >= 0 && fork() == 0) {
			serve(fd, path);
			_exit(0);
		}
		close(fd);
	}
}

static int ask(const char *address, uint16_t port, uint32_t mark, const struct order *order)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct timespec begun, ended;
	char mapped[64];
	uint8_t answer;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(address, ':') ? "" : "::ffff:", address);
	if (inet_pton(AF_INET6, mapped, &to.sin6_addr) != 1)
		errx(1, "what is %s?", address);
	if (mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		err(1, "mark");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "%s, port %u", address, port);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	send_all(fd, order, sizeof(*order));
	for (uint32_t i = 0; i < order->mb && order->op == 'i'; i++)
		send_all(fd, block, BLOCK);
	for (uint32_t i = 0; i < order->mb && order->op == 'o'; i++)
		take_all(fd, block, BLOCK);
	take_all(fd, &answer, 1);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%.6f\n", (double)(ended.tv_sec - begun.tv_sec) +
				 (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	memset(block, 0xa5, sizeof(block));
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve_all((uint16_t)atoi(argv[2]), argv[3]);
	if (argc == 7 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], (uint16_t)atoi(argv[3]), (uint32_t)strtoul(argv[4], NULL, 0),
			   &(struct order){ (uint32_t)argv[5][0], (uint32_t)atoi(argv[6]) });
	errx(2, "pump serve PORT FILE, or pump ask ADDRESS PORT MARK in|out|write|read MB");
}
