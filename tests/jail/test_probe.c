/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What may a monitor's threads still ask the kernel? mayfly-vmm-probe (tests/jail/probe) tries it from inside; here its
 * findings are held against seccomp_table.h: exactly the table, no call more, no call less. This program plays the
 * keeper, through the keeper's own jail_spawn; test_probe_keeper has the real one. As root, with /dev/kvm.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/launch.h"
#include "jail/filter.h"
#include "jail/spawn.h"
#include "tests/jail/probe/judge.h"

#define UID	   2147000001u
#define RING_BYTES 65536u
#define WAIT_MS	   30000

static char probe_path[4096];

/* ---- launching ---- */

struct run {
	struct jail_child child;
	int channel;
	const struct launch_ring *ring;
};

struct packet {
	struct launch_msg msg;
	union {
		struct launch_record record;
		struct launch_text text;
		struct launch_trap trap;
		struct launch_end end;
	} body;
};

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static int memory_file(const void *data, size_t len, size_t size)
{
	int fd = memfd_create("probe", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		die("memfd");
	return fd;
}

static int read_only(int fd)
{
	char path[64];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		die(path);
	(void)close(fd);
	return again;
}

static const struct launch_ring *map_ring(int fd)
{
	const void *p = mmap(NULL, RING_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static void send_record(int channel, const char *word)
{
	struct packet packet = {
		.msg = { .type = LAUNCH_MSG_RECORD },
		.body.record = {
			.magic = LAUNCH_MAGIC,
			.version = LAUNCH_VERSION,
			.size = sizeof(packet.body.record),
			.memory_bytes = 16u << 20,
			.n_vcpus = 1,
			.console_ring_bytes = RING_BYTES,
		},
	};

	(void)snprintf(packet.body.record.cmdline, sizeof(packet.body.record.cmdline), "quiet %s%s",
		       PROBE_WORD, word);
	if (send(channel, &packet, sizeof(packet.msg) + sizeof(packet.body.record), MSG_NOSIGNAL) <
	    0)
		die("record");
}

static void launch(struct run *run, const char *word)
{
	struct judge_kernel kernel;
	struct launch_ring head = { .size = RING_BYTES - sizeof(head) };
	int console = memory_file(&head, sizeof(head), RING_BYTES);
	int pair[2];
	struct err err;

	judge_make_kernel(&kernel);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	const struct jail_fd fds[] = {
		{ LAUNCH_FD_CHANNEL, pair[1] },
		{ LAUNCH_FD_KVM, must_open("/dev/kvm", O_RDWR) },
		{ LAUNCH_FD_KERNEL,
		  read_only(memory_file(&kernel, sizeof(kernel), sizeof(kernel))) },
		{ LAUNCH_FD_INITRD, read_only(memory_file("", 0, 0)) },
		{ LAUNCH_FD_CONSOLE, console },
		{ LAUNCH_FD_URANDOM, must_open("/dev/urandom", O_RDONLY) },
	};
	const struct jail_plan plan = { .uid = UID,
					.monitor_fd = must_open(probe_path, O_PATH),
					.cgroup_fd = -1,
					.fds = fds,
					.n_fds = ARRAY_SIZE(fds) };

	if (jail_spawn(&plan, &run->child, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	run->channel = pair[0];
	run->ring = map_ring(console);
	(void)close(plan.monitor_fd);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i].fd);
	send_record(run->channel, word);
}

/* The next message's type; 0 when the channel ends or stays silent. */
static uint32_t receive(struct run *run, struct packet *packet)
{
	struct pollfd pfd = { .fd = run->channel, .events = POLLIN };

	if (poll(&pfd, 1, WAIT_MS) != 1 ||
	    recv(run->channel, packet, sizeof(*packet), 0) < (ssize_t)sizeof(packet->msg))
		return 0;
	return packet->msg.type;
}

static bool is_ready(struct run *run)
{
	struct packet packet;
	uint32_t type = receive(run, &packet);

	if (type == LAUNCH_MSG_FAILED)
		printf("# %.*s\n", (int)sizeof(packet.body.text), packet.body.text.text);
	return type == LAUNCH_MSG_READY;
}

/* How it ended; -1 when it had to be killed. */
static int finish(struct run *run)
{
	struct pollfd pfd = { .fd = run->child.pidfd, .events = POLLIN };
	const bool ended = poll(&pfd, 1, WAIT_MS) == 1;
	int status;

	(void)syscall(SYS_pidfd_send_signal, run->child.pidfd, SIGKILL, NULL, 0);
	while (waitpid(run->child.pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)close(run->child.pidfd);
	(void)close(run->channel);
	(void)munmap((void *)(uintptr_t)run->ring, RING_BYTES);
	return ended ? status : -1;
}

static void kill_run(struct run *run)
{
	(void)syscall(SYS_pidfd_send_signal, run->child.pidfd, SIGKILL, NULL, 0);
	(void)finish(run);
}

/* ---- the survey ---- */

static void test_survey(void)
{
	struct run run;

	launch(&run, "survey");
	if (judge_check(is_ready(&run), "the monitor becomes ready")) {
		judge_check(judge_await(run.ring, WAIT_MS), "each thread has tried every call");
		judge_survey(run.ring);
		judge_process(run.child.pid);
	}
	kill_run(&run);
}

/* ---- calls that end the process, one launch each ---- */

static int single(enum jail_thread thread, enum probe_abi abi, uint64_t nr, int arg, uint64_t value,
		  struct packet *last)
{
	struct run run;
	char word[128];

	(void)snprintf(word, sizeof(word), "%d:%d:%llu:%d:%llu", (int)thread, (int)abi,
		       (unsigned long long)nr, arg + 1, (unsigned long long)value);
	launch(&run, word);
	if (!is_ready(&run)) {
		kill_run(&run);
		return -1;
	}
	(void)receive(&run, last);
	return finish(&run);
}

static void expect_killed(enum jail_thread thread, enum probe_abi abi, uint64_t nr, int arg,
			  uint64_t value, const char *what)
{
	struct packet last = { .msg = { .type = 0 } };
	int status = single(thread, abi, nr, arg, value, &last);
	char name[256];

	(void)snprintf(name, sizeof(name), "%s: %s, number %#llx, kills", judge_thread(thread),
		       what, (unsigned long long)nr);
	if (!judge_check(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS &&
				 last.msg.type == 0,
			 name))
		printf("# status %#x, message %u\n", (unsigned int)status, last.msg.type);
}

static void test_killed(enum jail_thread thread)
{
	static const uint64_t x32[] = { 0, 1, 59, 520, 1023 };
	static const uint64_t i386[] = { 1, 3, 11, 20, 102 };

	for (size_t i = 0; i < ARRAY_SIZE(seccomp_killed); i++) {
		const struct seccomp_rule *rule = &seccomp_killed[i];

		expect_killed(thread, PROBE_NATIVE, (uint64_t)rule->syscall, rule->arg, rule->value,
			      rule->why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(x32); i++)
		expect_killed(thread, PROBE_NATIVE, x32[i] | 0x40000000u, ARG_ANY, 0, "x32");
	for (size_t i = 0; i < ARRAY_SIZE(i386); i++)
		expect_killed(thread, PROBE_I386, i386[i], ARG_ANY, 0, "i386");
}

static void test_trap_report(enum jail_thread thread)
{
	struct packet last = { .msg = { .type = 0 } };
	int status = single(thread, PROBE_NATIVE, SYS_getpid, ARG_ANY, 0, &last);
	char name[128];

	(void)snprintf(name, sizeof(name), "%s: a call outside the table is reported",
		       judge_thread(thread));
	judge_check(last.msg.type == LAUNCH_MSG_TRAP && last.body.trap.syscall == SYS_getpid &&
			    last.body.trap.thread == thread,
		    name);
	(void)snprintf(name, sizeof(name), "%s: and ends the monitor with its exit code",
		       judge_thread(thread));
	judge_check(WIFEXITED(status) && WEXITSTATUS(status) == JAIL_FILTER_EXIT_CODE, name);
}

static void test_exit(enum jail_thread thread)
{
	struct packet last = { .msg = { .type = 0 } };
	int status = single(thread, PROBE_NATIVE, SYS_exit_group, ARG_ANY, 0, &last);
	char name[128];

	(void)snprintf(name, sizeof(name), "%s: exit_group is allowed", judge_thread(thread));
	judge_check(WIFEXITED(status) && WEXITSTATUS(status) == 255 && last.msg.type == 0, name);
	status = single(thread, PROBE_NATIVE, SYS_writev, ARG_ANY, 0, &last);
	(void)snprintf(name, sizeof(name), "%s: an allowed call comes back", judge_thread(thread));
	judge_check(WIFEXITED(status) && last.msg.type == LAUNCH_MSG_END, name);
}

/* See PROBE_URETPROBE: trapped, or it ended in SIGILL, or it came back with nothing done. */
static void test_breakpoints(enum jail_thread thread)
{
	static const int numbers[] = { PROBE_URETPROBE, PROBE_UPROBE };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct packet last = { .msg = { .type = 0 } };
		int status = single(thread, PROBE_NATIVE, (uint64_t)numbers[i], ARG_ANY, 0, &last);
		char name[128];

		(void)snprintf(name, sizeof(name),
			       "%s: call %d, the kernel's own, does nothing here",
			       judge_thread(thread), numbers[i]);
		if (!judge_check(last.msg.type == LAUNCH_MSG_TRAP ||
					 last.msg.type == LAUNCH_MSG_END ||
					 (WIFSIGNALED(status) && WTERMSIG(status) == SIGILL),
				 name))
			printf("# status %#x, message %u\n", (unsigned int)status, last.msg.type);
		else
			printf("# %s\n", last.msg.type == LAUNCH_MSG_TRAP ? "trapped"
					 : last.msg.type		  ? "refused by the kernel"
									  : "SIGILL");
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)snprintf(probe_path, sizeof(probe_path), "%s/../../bin/mayfly-vmm-probe",
		       dirname(argv[0]));
	judge_counts();
	test_survey();
	for (enum jail_thread thread = 0; thread < JAIL_THREADS; thread++) {
		test_killed(thread);
		test_trap_report(thread);
		test_exit(thread);
		test_breakpoints(thread);
	}
	return judge_end();
}
