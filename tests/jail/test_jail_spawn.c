/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What the jail refuses, and that the cause is told: bad records, programs, descriptors, hosts. As root. */
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>

#include "tests/jail/inside/inmate.h"

static void check_text(const char *name, int rc, const struct err *err, const char *part)
{
	if (!check(name, rc < 0 && strstr(err->text, part)))
		printf("# %d: %s\n", rc, rc < 0 ? err->text : "it worked");
}

/* ---- what the monitor refuses ---- */

static void test_bad_record(const char *name, const struct launch_record *bad, const char *part)
{
	struct inmate in;
	struct err err;
	char text[ERR_TEXT_MAX] = "";

	if (start("hold", -1, &in, &err) == 0) {
		(void)send(in.channel, bad, sizeof(*bad), 0);
		(void)receive(&in, text, sizeof(text));
		(void)stop(&in);
	}
	if (!check(name, strstr(text, part)))
		printf("# %s\n", text);
}

static void test_bad_records(void)
{
	struct launch_record bad = record;

	bad.n_disks = 2;
	test_bad_record("a promised disk that isn't there is named", &bad, "descriptor 11 (disk)");
	bad = record;
	bad.n_disks = LAUNCH_MAX_DISKS + 1;
	test_bad_record("more disks than there are numbers are refused", &bad, "5 disks");
}

/* ---- what jail_spawn refuses ---- */

static void test_bad_program(const char *name, int fd, const char *part)
{
	struct jail_plan plan = { .uid = UID, .monitor_fd = fd, .cgroup_fd = -1 };
	struct jail_child child;
	struct err err = { 0 };
	int rc = jail_spawn(&plan, &child, &err);

	check_text(name, rc, &err, part);
	if (rc < 0)
		check("… and no child is left", waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	(void)close(fd);
}

static int text_file(mode_t mode)
{
	char path[] = "/tmp/mayfly-test-jail-XXXXXX";
	int fd = mkstemp(path);
	int again;

	(void)fd_write_all(fd, "no program", 10);
	(void)fchmod(fd, mode);
	(void)close(fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	(void)unlink(path);
	return again;
}

static void test_bad_descriptor(void)
{
	const struct jail_fd fds[] = { { 3, 999 } };
	auto_fd program = open(inside_path, O_PATH | O_CLOEXEC);
	struct jail_plan plan = {
		.uid = UID, .monitor_fd = program, .cgroup_fd = -1, .fds = fds, .n_fds = 1
	};
	struct jail_child child;
	struct err err;

	check_text("a descriptor that isn't open is told", jail_spawn(&plan, &child, &err), &err,
		   "descriptors in place");
}

static int write_text(const char *path, const char *text)
{
	auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : fd_write_all(fd, text, strlen(text));
}

static int drop_setuid(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets) < 0)
		return -1;
	sets[0].effective &= ~((1u << CAP_SETUID) | (1u << CAP_SETGID));
	sets[0].permitted = sets[0].effective;
	return (int)syscall(SYS_capset, &header, sets);
}

/* A user namespace that allows no user namespace below it. */
static int forbid_namespaces(void)
{
	if (unshare(CLONE_NEWUSER) < 0 || write_text("/proc/self/setgroups", "deny") < 0 ||
	    write_text("/proc/self/uid_map", "0 0 1\n") < 0 ||
	    write_text("/proc/self/gid_map", "0 0 1\n") < 0)
		return -1;
	return write_text("/proc/sys/user/max_user_namespaces", "0\n");
}

/* In a process of its own, since it gives something up for good. */
static void test_handicapped(const char *name, int (*give_up)(void), const char *part)
{
	struct inmate in;
	struct err err;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (give_up() < 0) {
			printf("# can't give it up: %s\n", strerror(errno));
			_exit(2);
		}
		if (start("raw", -1, &in, &err) == 0) {
			(void)stop(&in);
			_exit(1);
		}
		if (!strstr(err.text, part))
			printf("# %s\n", err.text);
		(void)fflush(stdout);
		_exit(strstr(err.text, part) ? 0 : 1);
	}
	(void)waitpid(pid, &status, 0);
	check(name, WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_failures(void)
{
	test_bad_program("a text file in the monitor's place is told", text_file(0755),
			 "can't execute the monitor");
	test_bad_program("a program without the x bit is told", text_file(0644),
			 "everybody may execute");
	test_bad_program("a directory in the monitor's place is told",
			 open("/tmp", O_PATH | O_CLOEXEC), "can't execute the monitor");
	test_bad_descriptor();
	test_handicapped("a refused uid map is told", drop_setuid,
			 "CAP_SETGID in the initial user namespace");
	test_handicapped("a host without user namespaces is told", forbid_namespaces,
			 "user.max_user_namespaces");
}

int main(int argc, char **argv)
{
	(void)argc;
	tests_begin(argv[0]);
	test_bad_records();
	test_failures();
	return tests_end();
}
