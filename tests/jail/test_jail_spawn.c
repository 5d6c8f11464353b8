/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The jail from both sides: a program (tests/jail/inside) in the monitor's place reports what it can do, this program
 * reads what the host's /proc says about it, kills its parent, and feeds jail_spawn what must fail. As root.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/launch.h"
#include "jail/cgroup.h"
#include "jail/proc.h"
#include "jail/spawn.h"

#define UID	2147000000u /* beyond what accounts and containers use */
#define WAIT_MS 10000

static unsigned int n_tests, n_failed;
static char inside_path[4096];

static bool check(const char *name, bool good)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++n_tests, name);
	(void)fflush(stdout);
	n_failed += !good;
	return good;
}

static void check_text(const char *name, int rc, const struct err *err, const char *part)
{
	if (!check(name, rc < 0 && strstr(err->text, part)))
		printf("# %d: %s\n", rc, rc < 0 ? err->text : "it worked");
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

static void add_fd(struct fixture *f, int number, int fd)
{
	f->fds[f->n].number = number;
	f->fds[f->n++].fd = fd;
}

/* Devices are stood in for by /dev/null: the jail looks at types. One read-only disk. */
static void fixture_init(struct fixture *f, int channel)
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

static void fixture_fini(struct fixture *f)
{
	for (size_t i = 1; i < f->n; i++)
		(void)close(f->fds[i].fd);
}

static const struct launch_record record = {
	.n_disks = 1,
	.disks = { { .flags = LAUNCH_DISK_READ_ONLY } },
};

static int start(const char *mode, int cgroup_fd, struct inmate *in, struct err *err)
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

static bool receive(struct inmate *in, char *text, size_t size)
{
	struct pollfd pfd = { .fd = in->channel, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, WAIT_MS) != 1)
		return false;
	n = recv(in->channel, text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static int stop(struct inmate *in)
{
	int status = -1;

	(void)syscall(SYS_pidfd_send_signal, in->child.pidfd, SIGKILL, NULL, 0);
	(void)waitpid(in->child.pid, &status, 0);
	fd_close(&in->child.pidfd);
	fd_close(&in->channel);
	return status;
}

/* Bring an inmate to where it has said "done", passing its results on. */
static bool descend(struct inmate *in)
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

/* ---- what the host sees ---- */

static void proc_path(char *out, size_t size, pid_t pid, const char *name)
{
	(void)snprintf(out, size, "/proc/%d/%s", (int)pid, name);
}

static bool proc_text(pid_t pid, const char *name, char *text, size_t size)
{
	char path[128];
	struct err err;
	ssize_t n;

	proc_path(path, sizeof(path), pid, name);
	n = fd_read_file(AT_FDCWD, path, text, size - 1, &err);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool other_namespace(pid_t pid, const char *kind)
{
	char path[128], name[32];
	struct stat ours, theirs;

	(void)snprintf(name, sizeof(name), "ns/%s", kind);
	proc_path(path, sizeof(path), pid, name);
	if (stat(path, &theirs) < 0)
		return false;
	proc_path(path, sizeof(path), getpid(), name);
	return stat(path, &ours) == 0 && ours.st_ino != theirs.st_ino;
}

static void check_namespaces(pid_t pid)
{
	static const char *const kinds[] = { "user", "mnt", "pid", "net", "ipc", "uts" };
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)snprintf(name, sizeof(name), "%s namespace of its own", kinds[i]);
		check(name, other_namespace(pid, kinds[i]));
	}
}

static bool maps_one(pid_t pid, const char *file)
{
	char text[512];
	unsigned int inner, outer, count;
	int end = 0;

	return proc_text(pid, file, text, sizeof(text)) &&
	       sscanf(text, " %u %u %u %n", &inner, &outer, &count, &end) == 3 &&
	       text[end] == '\0' && inner == 0 && outer == UID && count == 1;
}

static bool root_is_empty(pid_t pid)
{
	char path[128];
	DIR *dir;
	const struct dirent *entry;
	int n = 0;

	proc_path(path, sizeof(path), pid, "root/");
	dir = opendir(path);
	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return n == 0;
}

static bool one_mount(pid_t pid)
{
	char text[8192];
	const char *newline;

	if (!proc_text(pid, "mountinfo", text, sizeof(text)))
		return false;
	newline = strchr(text, '\n');
	return newline && newline[1] == '\0' && strstr(text, " / / ro,nosuid,nodev,noexec") &&
	       strstr(text, " - tmpfs empty ro,");
}

static bool status_has(pid_t pid, const char *line)
{
	char text[8192];

	return proc_text(pid, "status", text, sizeof(text)) && strstr(text, line);
}

static void check_from_outside(const struct inmate *in)
{
	const pid_t pid = in->child.pid;
	char ids[128], text[128];
	pid_t found = 0;
	uint64_t start_time;
	struct err err;

	check_namespaces(pid);
	check("maps its uid and nothing else", maps_one(pid, "uid_map"));
	check("maps its gid and nothing else", maps_one(pid, "gid_map"));
	(void)snprintf(ids, sizeof(ids), "\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", UID, UID,
		       UID, UID, UID, UID, UID, UID);
	check("the host sees its uid and gid alone", status_has(pid, ids));
	check("the host sees no group of it",
	      status_has(pid, "\nGroups:\t \n") || status_has(pid, "\nGroups:\t\n"));
	check("the host sees no capability of it",
	      status_has(pid, "\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:"
			      "\t0000000000000000\n"
			      "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n"));
	check("its root is empty", root_is_empty(pid));
	check("it has one mount, the empty tmpfs", one_mount(pid));
	check("its name in ps",
	      proc_text(pid, "comm", text, sizeof(text)) && strcmp(text, "mayfly-vmm\n") == 0);
	check("its start time is the kernel's",
	      proc_start_time(pid, &start_time, &err) == 0 && start_time == in->child.start_time);
	check("it is alive by pid and start time",
	      proc_is_alive(pid, start_time) && !proc_is_alive(pid, start_time + 1));
	check("its uid is found in use", proc_uid_in_use(UID, &found, &err) == 1 && found == pid);
}

static void test_report(void)
{
	struct inmate in;
	struct err err;
	pid_t found;

	if (!check("a program starts in the jail", start("report", -1, &in, &err) == 0)) {
		printf("# %s\n", err.text);
		return;
	}
	check("it makes the descent", descend(&in));
	check_from_outside(&in);
	(void)syscall(SYS_pidfd_send_signal, in.child.pidfd, SIGTERM, NULL, 0);
	check("a zombie isn't alive",
	      syscall(SYS_pidfd_send_signal, in.child.pidfd, SIGKILL, NULL, 0) == 0 &&
		      poll(&(struct pollfd){ in.child.pidfd, POLLIN, 0 }, 1, WAIT_MS) == 1 &&
		      !proc_is_alive(in.child.pid, in.child.start_time));
	check("it ends by SIGKILL alone", WTERMSIG(stop(&in)) == SIGKILL);
	check("its uid is free afterwards", proc_uid_in_use(UID, &found, &err) == 0);
}

/* ---- death with the keeper ---- */

static bool gone_within(pid_t pid, uint64_t start_time)
{
	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (!proc_is_alive(pid, start_time))
			return true;
		(void)poll(NULL, 0, 10);
	}
	return false;
}

/* A keeper in the small: starts an inmate, tells its pid, waits to be killed. */
static _Noreturn void keeper_main(const char *mode, int report)
{
	struct inmate in;
	struct err err;

	if (start(mode, -1, &in, &err) < 0 || (strcmp(mode, "raw") != 0 && !descend(&in)))
		_exit(1);
	(void)fd_write_all(report, &in.child, sizeof(in.child));
	for (;;)
		pause();
}

static void test_keeper_death(const char *mode, const char *name)
{
	struct jail_child child = { .pid = -1 };
	int report[2];
	pid_t keeper;

	if (pipe2(report, O_CLOEXEC) < 0)
		exit(1);
	keeper = fork();
	if (keeper == 0)
		keeper_main(mode, report[1]);
	(void)close(report[1]);
	if (fd_read_all(report[0], &child, sizeof(child)) < 0 ||
	    !proc_is_alive(child.pid, child.start_time)) {
		check(name, false);
	} else {
		(void)kill(keeper, SIGKILL);
		check(name, gone_within(child.pid, child.start_time));
	}
	(void)kill(keeper, SIGKILL);
	(void)waitpid(keeper, NULL, 0);
	if (child.pid > 0) {
		(void)kill(child.pid, SIGKILL); /* our child by now: we are its subreaper */
		(void)waitpid(child.pid, NULL, 0);
	}
	(void)close(report[0]);
}

static void test_dead_before_descent(void)
{
	struct inmate in;
	struct err err;
	int status = 0;

	if (start("hold", -1, &in, &err) < 0) {
		check("a keeper that died before the descent is noticed", false);
		return;
	}
	(void)send(in.channel, &record, sizeof(record), 0);
	fd_close(&in.channel);
	(void)waitpid(in.child.pid, &status, 0);
	check("a keeper that died before the descent is noticed",
	      WIFEXITED(status) && WEXITSTATUS(status) == 3);
	fd_close(&in.child.pidfd);
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

/* ---- cgroups ---- */

struct cgroup_fixture {
	char parent[CGROUP_PATH_SIZE];
	char leaf[CGROUP_PATH_SIZE + 8];
	uint32_t missing;
};

static void test_cgroup_member(const struct cgroup_fixture *f)
{
	struct inmate in;
	struct err err;
	char text[1024], want[64];
	auto_fd dir = cgroup_open(f->leaf, &err);

	if (!check("a child starts in its cgroup",
		   dir >= 0 && start("hold", dir, &in, &err) == 0 && descend(&in)))
		return;
	(void)snprintf(want, sizeof(want), "/mayfly-test-%d/leaf\n", (int)getpid());
	check("the host sees it there",
	      proc_text(in.child.pid, "cgroup", text, sizeof(text)) && strstr(text, want));
	check("a cgroup with a process isn't empty",
	      cgroup_wait_empty(f->leaf, 20, &err) < 0 && err.code == ERR_TIMEOUT);
	check("it can't be removed", cgroup_remove(f->leaf, 20, &err) < 0);
	check("its parent can't be removed",
	      cgroup_parent_down(f->parent, &err) < 0 && err.code == ERR_RESIDUE);
	check("the kill reaches it",
	      cgroup_kill(f->leaf, &err) == 0 && cgroup_wait_empty(f->leaf, WAIT_MS, &err) == 0);
	check("it ended by SIGKILL", WTERMSIG(stop(&in)) == SIGKILL);
}

static bool file_says(const char *dir, const char *name, const char *want)
{
	char path[CGROUP_PATH_SIZE * 2], text[256];
	struct err err;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &err);
	text[n > 0 ? n : 0] = '\0';
	return strcmp(text, want) == 0;
}

static void test_cgroup_enforced(const struct cgroup_fixture *f)
{
	struct inmate in;
	struct err err;
	uint64_t count = 0;
	auto_fd dir = cgroup_open(f->leaf, &err);

	check("memory.max holds the limit", file_says(f->leaf, "memory.max", "67108864\n"));
	check("memory.oom.group is on", file_says(f->leaf, "memory.oom.group", "1\n"));
	check("cpu.max holds the limit", file_says(f->leaf, "cpu.max", "150000 100000\n"));
	check("pids.max holds the limit", file_says(f->leaf, "pids.max", "5\n"));
	check("no kill for memory yet", cgroup_oom_kills(f->leaf, &count, &err) == 0 && count == 0);
	if (!check("an eater of memory starts", start("eat", dir, &in, &err) == 0 && descend(&in)))
		return;
	check("it is ended", cgroup_wait_empty(f->leaf, 30000, &err) == 0);
	(void)stop(&in);
	check("the kill for memory is counted",
	      cgroup_oom_kills(f->leaf, &count, &err) == 0 && count >= 1);
}

static void test_cgroup_limits(struct cgroup_fixture *f)
{
	const struct cgroup_limits limits = { .memory_bytes = 64 << 20,
					      .cpu_percent = 150,
					      .pids = 5 };
	uint32_t missing = 0;
	struct err err;
	char names[64];
	uint64_t count;

	check("limits are set, or said to be missing",
	      cgroup_limit(f->leaf, &limits, &missing, &err) == 0 && missing == f->missing);
	printf("# not enforced here: %s\n", cgroup_names(missing, names, sizeof(names)));
	if (missing & CGROUP_MEMORY)
		check("kills for memory can't be counted without the controller",
		      cgroup_oom_kills(f->leaf, &count, &err) < 0 && err.code == ERR_NOT_FOUND);
	if (!missing)
		test_cgroup_enforced(f);
}

static void test_cgroup_absence(const struct cgroup_fixture *f)
{
	struct err err;

	check("to kill in a cgroup that is gone is success", cgroup_kill(f->leaf, &err) == 0);
	check("a cgroup that is gone is empty", cgroup_wait_empty(f->leaf, 20, &err) == 0);
	check("to remove a cgroup that is gone is success", cgroup_remove(f->leaf, 20, &err) == 0);
	check("to take down a parent that is gone is success",
	      cgroup_parent_down(f->parent, &err) == 0);
	check("a cgroup that is gone can't be opened", cgroup_open(f->leaf, &err) < 0);
}

static void test_cgroups(void)
{
	struct cgroup_fixture f;
	struct err err;
	char mount[CGROUP_PATH_SIZE];

	if (!check("cgroup v2 is found", cgroup_find(mount, &err) == 0)) {
		printf("# %s\n", err.text);
		return;
	}
	(void)snprintf(f.parent, sizeof(f.parent), "%.400s/mayfly-test-%d", mount, (int)getpid());
	(void)snprintf(f.leaf, sizeof(f.leaf), "%s/leaf", f.parent);
	if (!check("a parent is made", cgroup_parent_up(f.parent, &f.missing, &err) == 0))
		printf("# %s\n", err.text);
	check("a second time too", cgroup_parent_up(f.parent, &f.missing, &err) == 0);
	check("a leaf is made", cgroup_create(f.leaf, &err) == 0);
	check("but not twice", cgroup_create(f.leaf, &err) < 0 && err.code == ERR_EXISTS);
	test_cgroup_member(&f);
	test_cgroup_limits(&f);
	check("the leaf is removed",
	      cgroup_remove(f.leaf, WAIT_MS, &err) == 0 && access(f.leaf, F_OK) < 0);
	check("the parent is removed",
	      cgroup_parent_down(f.parent, &err) == 0 && access(f.parent, F_OK) < 0);
	test_cgroup_absence(&f);
}

static void test_proc(void)
{
	uint64_t start_time;
	struct err err;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	(void)waitpid(pid, NULL, 0);
	check("a pid that is gone has no start time",
	      proc_start_time(pid, &start_time, &err) < 0 && err.code == ERR_NOT_FOUND);
	check("a uid that nobody has isn't in use", proc_uid_in_use(UID + 1, &pid, &err) == 0);
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)snprintf(inside_path, sizeof(inside_path), "%s/inside", dirname(argv[0]));
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	test_report();
	test_keeper_death("hold", "a killed keeper takes the monitor along");
	test_keeper_death("raw", "also before the descent, by the channel");
	test_dead_before_descent();
	test_bad_records();
	test_failures();
	test_cgroups();
	test_proc();
	printf("1..%u\n", n_tests);
	return n_failed ? 1 : 0;
}
