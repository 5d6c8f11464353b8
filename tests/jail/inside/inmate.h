/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_JAIL_INSIDE_INMATE_H
#define TESTS_JAIL_INSIDE_INMATE_H

/*
 * For the tests that put tests/jail/inside into the monitor's place: start it through jail_spawn, pass on what it
 * reports, stop it. Functions in a header, since each test program is one file.
 */
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proto/launch.h"
#include "jail/spawn.h"

#define UID	2147000000u /* beyond what accounts and containers use */
#define WAIT_MS 60000

static unsigned int n_tests, n_failed;
static char inside_path[4096];

static inline bool check(const char *name, bool good)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++n_tests, name);
	(void)fflush(stdout);
	n_failed += !good;
	return good;
}

/* ---- a child in the jail ---- */

struct inmate {
	struct jail_child child;
	int channel; /* ours */
};

struct fixture {
	struct jail_fd fds[LAUNCH_FD_END];
	size_t n;
};

static inline void add_fd(struct fixture *f, int number, int fd)
{
	f->fds[f->n].number = number;
	f->fds[f->n++].fd = fd;
}

/* Devices are stood in for by /dev/null: the jail looks at types. One read-only disk. */
static inline void fixture_init(struct fixture *f, int channel)
{
	const int null_rw = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	f->n = 0;
	add_fd(f, LAUNCH_FD_CHANNEL, channel);
	add_fd(f, LAUNCH_FD_KVM, null_rw);
	add_fd(f, LAUNCH_FD_KERNEL, file);
	add_fd(f, LAUNCH_FD_INITRD, file);
	add_fd(f, LAUNCH_FD_CONSOLE, memfd_create("ring", MFD_CLOEXEC));
	add_fd(f, LAUNCH_FD_URANDOM, open("/dev/urandom", O_RDONLY | O_CLOEXEC));
	add_fd(f, LAUNCH_FD_TAP, null_rw); /* the record promises none: the jail has to close it */
	add_fd(f, LAUNCH_FD_DISK0, file);
}

static inline void fixture_fini(struct fixture *f)
{
	for (size_t i = 1; i < f->n; i++)
		(void)close(f->fds[i].fd);
}

static const struct launch_record record = {
	.n_disks = 1,
	.disks = { { .flags = LAUNCH_DISK_READ_ONLY } },
};

static inline int start(const char *mode, int cgroup_fd, struct inmate *in, struct err *err)
{
	struct fixture f;
	int pair[2];
	auto_fd program = open(inside_path, O_PATH | O_CLOEXEC);
	struct jail_plan plan = {
		.uid = UID, .monitor_fd = program, .cgroup_fd = cgroup_fd, .name = mode
	};
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "socketpair");
	fixture_init(&f, pair[1]);
	plan.fds = f.fds;
	plan.n_fds = f.n;
	rc = jail_spawn(&plan, &in->child, err);
	fixture_fini(&f);
	(void)close(pair[1]);
	in->channel = pair[0];
	if (rc < 0)
		fd_close(&in->channel);
	return rc;
}

static inline bool receive(struct inmate *in, char *text, size_t size)
{
	struct pollfd pfd = { .fd = in->channel, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, WAIT_MS) != 1)
		return false;
	n = recv(in->channel, text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static inline int stop(struct inmate *in)
{
	int status = -1;

	(void)syscall(SYS_pidfd_send_signal, in->child.pidfd, SIGKILL, NULL, 0);
	(void)waitpid(in->child.pid, &status, 0);
	fd_close(&in->child.pidfd);
	fd_close(&in->channel);
	return status;
}

/* Bring an inmate to where it has said "done", passing its results on. */
static inline bool descend(struct inmate *in)
{
	char text[ERR_TEXT_MAX] = "";

	if (send(in->channel, &record, sizeof(record), 0) != sizeof(record))
		return false;
	while (receive(in, text, sizeof(text))) {
		if (strcmp(text, "done") == 0)
			return true;
		if (strncmp(text, "ok - ", 5) == 0)
			check(text + 5, true);
		else
			check(strncmp(text, "not ok - ", 9) == 0 ? text + 9 : text, false);
	}
	return false;
}

static inline void proc_path(char *out, size_t size, pid_t pid, const char *name)
{
	(void)snprintf(out, size, "/proc/%d/%s", (int)pid, name);
}

static inline bool proc_text(pid_t pid, const char *name, char *text, size_t size)
{
	char path[128];
	struct err err;
	ssize_t n;

	proc_path(path, sizeof(path), pid, name);
	n = fd_read_file(AT_FDCWD, path, text, size - 1, &err);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static inline void tests_begin(const char *program)
{
	char path[4000];

	(void)snprintf(path, sizeof(path), "%s", program);
	(void)snprintf(inside_path, sizeof(inside_path), "%s/inside", dirname(path));
}

static inline int tests_end(void)
{
	printf("1..%u\n", n_tests);
	return n_failed ? 1 : 0;
}

#endif
