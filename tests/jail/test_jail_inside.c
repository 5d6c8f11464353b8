/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The jail from both sides: a program in the monitor's place (tests/jail/inside) reports what it can do, the host's
 * /proc says what it is, and the killing of its parent ends it. As root.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "base/bug.h"
#include "jail/proc.h"
#include "tests/jail/inside/inmate.h"

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
	tests_begin(argv[0]);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	test_report();
	test_keeper_death("hold", "a killed keeper takes the monitor along");
	test_keeper_death("raw", "also before the descent, by the channel");
	test_dead_before_descent();
	test_proc();
	return tests_end();
}
