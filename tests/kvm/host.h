/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_KVM_HOST_H
#define TESTS_KVM_HOST_H

/*
 * The keeper's side of a micro-guest in the real mayfly-vmm, in its real jail. Each case is one guest of tests/kvm/guest/
 * (built to build/tests/kvm/guest/NAME.elf), what the host does meanwhile, how the guest must end, and what must then
 * stand in the console's ring. Prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/launch.h"
#include "jail/jail.h"
#include "jail/spawn.h"

#define MONITOR	     "build/bin/mayfly-vmm"
#define GUESTS	     "build/tests/kvm/guest"
#define UID_BASE     1990000000u
#define RING_BYTES   65536u
#define DISK_BYTES   (1024u * 1024)
#define TIMEOUT_MS   60000
#define CASE_LIMIT_S 180
#define MAC                                                                                        \
	{                                                                                          \
		0x02, 0x4d, 0x46, 0, 0, 1                                                          \
	}

/* One run: the keeper's side of everything. */
struct run {
	struct launch_record record;
	struct launch_ring *ring;
	int channel;
	int kernel, initrd, console, urandom, kvm, tap, tap_peer;
	int disks[LAUNCH_MAX_DISKS];
	struct jail_child child;
	uint32_t ready_arg; /* of LAUNCH_MSG_READY */
};

struct test {
	const char *name;
	const char *guest;
	uint32_t flags;	  /* enum launch_flags */
	uint32_t n_disks; /* disk 0 writable, disk 1 read-only */
	void (*prepare)(struct run *run);
	void (*meanwhile)(struct run *run); /* after READY */
	void (*afterwards)(struct run *run);
	uint32_t
		end; /* enum launch_end_reason; 0: the monitor refuses, and `expect` is in its text */
	const char
		*expect; /* the ring, whole; NULL: nothing is BAD, and the guest came to its end */
};

static inline void die(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int must(int result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

static inline void fail(const char *what)
{
	printf("# %s\n", what);
	exit(1);
}

static inline int memory_file(size_t size)
{
	int fd = must(memfd_create("test", MFD_CLOEXEC), "memfd_create");

	must(ftruncate(fd, (off_t)size), "ftruncate");
	return fd;
}

static inline int reopen_read_only(int fd)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return must(open(path, O_RDONLY | O_CLOEXEC), path);
}

/* ---- the keeper's part ---- */

static inline void open_all(struct run *run, const struct test *test)
{
	const struct launch_disk disks[2] = { { .id = "disk-zero" },
					      { LAUNCH_DISK_READ_ONLY, "disk-one-twenty-byte" } };
	const uint8_t mac[6] = MAC;
	char path[128];

	run->record = (struct launch_record){ .magic = LAUNCH_MAGIC,
					      .version = LAUNCH_VERSION,
					      .size = sizeof(run->record),
					      .flags = test->flags,
					      .memory_bytes = 16u << 20,
					      .n_vcpus = 1,
					      .n_disks = test->n_disks,
					      .console_ring_bytes = RING_BYTES,
					      .guest_cid = 3,
					      .cmdline = "test" };
	memcpy(run->record.disks, disks, test->n_disks * sizeof(disks[0]));
	if (run->record.flags & LAUNCH_NET)
		memcpy(run->record.mac, mac, sizeof(mac));
	(void)snprintf(path, sizeof(path), "%s/%s.elf", GUESTS, test->guest);
	run->kernel = must(open(path, O_RDONLY | O_CLOEXEC), path);
	run->initrd = reopen_read_only(memory_file(0));
	run->kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	run->urandom = must(open("/dev/urandom", O_RDONLY | O_CLOEXEC), "/dev/urandom");
	run->console = memory_file(RING_BYTES);
	run->ring = mmap(NULL, RING_BYTES, PROT_READ, MAP_SHARED, run->console, 0);
	if (run->ring == MAP_FAILED)
		die("mmap");
	run->disks[0] = memory_file(DISK_BYTES);
	run->disks[1] = reopen_read_only(memory_file(DISK_BYTES));
}

static inline void spawn(struct run *run)
{
	struct jail_fd fds[LAUNCH_FD_END];
	struct jail_plan plan = { .uid = UID_BASE + (uint32_t)getpid(),
				  .cgroup_fd = -1,
				  .fds = fds };
	struct err err;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	plan.monitor_fd = must(open(MONITOR, O_PATH | O_CLOEXEC), MONITOR);
	run->channel = pair[0];
	fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_CHANNEL, pair[1] };
	fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_KVM, run->kvm };
	fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_KERNEL, run->kernel };
	fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_INITRD, run->initrd };
	fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_CONSOLE, run->console };
	fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_URANDOM, run->urandom };
	if (run->record.flags & LAUNCH_NET)
		fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_TAP, run->tap };
	for (uint32_t i = 0; i < run->record.n_disks && i < 2; i++)
		fds[plan.n_fds++] = (struct jail_fd){ LAUNCH_FD_DISK0 + (int)i, run->disks[i] };
	if (jail_spawn(&plan, &run->child, &err) < 0)
		fail(err.text);
	close(pair[1]);
}

static inline void send_message(struct run *run, uint32_t type, uint32_t arg, const void *body,
				size_t len, int fd)
{
	struct launch_msg head = { type, arg };
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)body, len } };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	must((int)sendmsg(run->channel, &msg, MSG_NOSIGNAL), "sendmsg");
}

/* The next message; its body is printed when it isn't of the expected type. */
static inline void expect_message(struct run *run, uint32_t type, void *body, size_t len)
{
	struct {
		struct launch_msg head;
		char body[256 + 1];
	} msg = { .head = { 0 } };
	struct pollfd pfd = { .fd = run->channel, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail("no message from the monitor in time");
	n = recv(run->channel, &msg, sizeof(msg) - 1, 0);
	if (n < (ssize_t)sizeof(msg.head))
		fail("the monitor closed the channel");
	if (msg.head.type == LAUNCH_MSG_TRAP)
		printf("# forbidden call %u on thread kind %u\n", *(uint32_t *)(void *)msg.body,
		       *(uint32_t *)(void *)(msg.body + 4));
	if (msg.head.type != type) {
		printf("# message of type %u instead of %u: %s\n", msg.head.type, type,
		       msg.head.type == LAUNCH_MSG_FAILED ? msg.body : "");
		exit(1);
	}
	if (type == LAUNCH_MSG_READY)
		run->ready_arg = msg.head.arg;
	else
		memcpy(body, msg.body, len);
}

static inline void expect_exit(struct run *run, int code)
{
	struct pollfd pfd = { .fd = run->child.pidfd, .events = POLLIN };
	int status;

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail("the monitor does not exit");
	must(waitpid(run->child.pid, &status, 0), "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
		printf("# the monitor's wait status is 0x%x, not exit %d\n", (unsigned int)status,
		       code);
		exit(1);
	}
}

static inline void check_ring(const struct run *run, const char *expect)
{
	const char *text = (const char *)(run->ring + 1);
	char copy[4096] = "";
	bool ok;

	if (run->ring->size != RING_BYTES - sizeof(*run->ring) ||
	    run->ring->written >= sizeof(copy))
		fail("the ring's head is wrong");
	memcpy(copy, text, run->ring->written);
	ok = expect ? strcmp(copy, expect) == 0
		    : copy[0] != '\0' && strstr(copy, "BAD") == NULL && strstr(copy, "\nend\n");
	if (ok)
		return;
	for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n"))
		printf("# console: %s\n", line);
	fail("the console doesn't show what it should");
}

static inline int run_case(const struct test *test)
{
	struct run run = { .tap = -1 };
	struct launch_text text;
	struct launch_end end;

	open_all(&run, test);
	if (test->prepare)
		test->prepare(&run);
	spawn(&run);
	send_message(&run, LAUNCH_MSG_RECORD, 0, &run.record, sizeof(run.record), -1);
	if (test->end == 0) {
		expect_message(&run, LAUNCH_MSG_FAILED, &text, sizeof(text));
		expect_exit(&run, 1);
		if (strstr(text.text, test->expect) == NULL)
			fail(text.text);
		return 0;
	}
	expect_message(&run, LAUNCH_MSG_READY, NULL, 0);
	if (test->meanwhile)
		test->meanwhile(&run);
	if (test->end == LAUNCH_END_KEEPER_LOST) {
		close(run.channel);
		expect_exit(&run, 0);
		return 0;
	}
	expect_message(&run, LAUNCH_MSG_END, &end, sizeof(end));
	expect_exit(&run, 0);
	if (end.reason != test->end) {
		printf("# the guest ended with reason %u (detail %u), not %u\n", end.reason,
		       end.detail, test->end);
		check_ring(&run, "");
	}
	check_ring(&run, test->expect);
	if (test->afterwards)
		test->afterwards(&run);
	return 0;
}

/* ---- what the host does meanwhile ---- */

static inline void wait_for_console(const struct run *run, const char *text)
{
	const char *ring = (const char *)(run->ring + 1);

	for (int i = 0; i < TIMEOUT_MS / 20; i++) {
		if (strstr(ring, text) != NULL)
			return;
		(void)usleep(20000);
	}
	fail("the guest doesn't get there");
}

/* A tap of its own in a network namespace of its own. */
static inline void make_tap(struct run *run)
{
	struct ifreq ifr = { .ifr_name = "mftest0" };
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_802_EX1) };
	int sock;

	must(unshare(CLONE_NEWNET), "unshare");
	run->tap = must(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	must(ioctl(run->tap, TUNSETIFF, &ifr), "TUNSETIFF");
	sock = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
	ifr.ifr_flags = IFF_UP;
	must(ioctl(sock, SIOCSIFFLAGS, &ifr), "SIOCSIFFLAGS");
	close(sock);
	run->tap_peer = must(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "socket");
	address.sll_ifindex = (int)if_nametoindex(ifr.ifr_name);
	must(bind(run->tap_peer, (struct sockaddr *)&address, sizeof(address)), "bind");
}

static inline void expect_echo(int sock, const char *text, const char *echo)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	char got[64] = "";
	size_t n = 0;

	must((int)write(sock, text, strlen(text)), "write");
	while (n < strlen(echo)) {
		if (poll(&pfd, 1, TIMEOUT_MS) != 1)
			fail("no echo in time");
		if (fd_read_all(sock, got + n, 1) < 0)
			die("echo");
		n++;
	}
	if (strcmp(got, echo) != 0)
		fail(got);
}

static inline void expect_eof(int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	char byte;

	if (poll(&pfd, 1, TIMEOUT_MS) != 1 || recv(sock, &byte, 1, 0) > 0)
		fail("the stream doesn't end");
}

/* Hand one end of a stream to the monitor, as the keeper does. Returns the other end. */
static inline int hand_over(struct run *run, uint32_t type, uint32_t port)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	must(fcntl(pair[1], F_SETFL, O_NONBLOCK), "fcntl");
	send_message(run, type, port, NULL, 0, pair[1]);
	close(pair[1]);
	return pair[0];
}

/* ---- running them ---- */

/* In a process of its own, so that namespaces and descriptors go with it. */
static inline bool run_test(const struct test *test)
{
	pid_t pid;
	int status;

	(void)fflush(stdout);
	pid = must(fork(), "fork");
	if (pid == 0) {
		(void)alarm(CASE_LIMIT_S);
		exit(run_case(test));
	}
	must(waitpid(pid, &status, 0), "waitpid");
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline int run_tests(const struct test *tests, size_t n_tests, int argc, char **argv)
{
	unsigned int n = 0, n_failed = 0;
	bool ok;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("1..1\nok 1 - micro-guests # SKIP /dev/kvm does not open\n");
		return 0;
	}
	for (size_t i = 0; i < n_tests; i++) {
		if (argc == 2 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		ok = run_test(&tests[i]);
		n_failed += !ok;
		printf("%sok %u - %s\n", ok ? "" : "not ", ++n, tests[i].name);
	}
	printf("1..%u\n", n);
	return n_failed != 0;
}

#endif
