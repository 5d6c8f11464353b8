/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Runs a command with one system call of one program failing once (seccomp_unotify(2)).
 *   failcall FD record COMMAND…                       tell every call of mayfly's programs
 *   failcall FD inject ROLE NR INDEX ERRNO COMMAND…   the INDEXth call NR of ROLE isn't made: it returns -ERRNO
 *
 * Lines on FD: "call NS ROLE NR INDEX LOADER" (record; NS: CLOCK_MONOTONIC, LOADER: 1 before main), "fired PID ROLE",
 * "exit CODE" or "signal NUMBER" of the command. FD is closed when the command and all that it has started are gone: the
 * filter is inherited, and without us their calls would fail with ENOSYS.
 *
 * A role is a program with how it came to be: mayfly, mayfly-keeper--start (its first argument), each fork without an exec
 * adds a +, a pid namespace of its own an @. Calls are counted by role from the exec on, so that what runs beside it doesn't
 * change the count. Only the call asked for stops: the rest of the run keeps its speed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"

#define MAX_ROLES 64
#define MAX_CALL  512
#define ROLE_SIZE 80
#define FORKED	  0x40 /* PF_FORKNOEXEC, include/linux/sched.h */

struct role {
	char name[ROLE_SIZE];
	unsigned counts[MAX_CALL];
};

/* What /proc/PID/stat tells of one. */
struct process {
	char comm[32];
	int parent;
	unsigned long flags;
	unsigned long long start;
};

static struct {
	FILE *report;
	bool record;
	const char *role; /* inject: whose */
	int nr, error;
	unsigned index;
	struct role roles[MAX_ROLES];
	unsigned n_roles;
} fail;

/* Both sides of the fork see it. */
struct meeting {
	atomic_int listener, go;
};

static int read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;

	text[n] = '\0';
	if (f)
		(void)fclose(f);
	return n > 0 ? (int)n : -1;
}

static bool look(int pid, struct process *p)
{
	char path[64], text[1024], *open_paren, *close_paren;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, text, sizeof(text)) < 0)
		return false;
	open_paren = strchr(text, '(');
	close_paren = strrchr(text, ')');
	if (!open_paren || !close_paren ||
	    sscanf(close_paren + 2,
		   "%*c %d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   &p->parent, &p->flags, &p->start) != 3)
		return false;
	(void)snprintf(p->comm, sizeof(p->comm), "%.*s", (int)(close_paren - open_paren - 1),
		       open_paren + 1);
	return true;
}

static bool other_namespace(int pid)
{
	char path[64], theirs[64] = "", ours[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
	       readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
	       strcmp(theirs, ours) != 0;
}

/* "" for a program that isn't ours. */
static void name_role(int pid, const struct process *p, char name[ROLE_SIZE])
{
	char path[64], words[256] = "", *verb = words;
	struct process parent;
	unsigned forks = 0;

	name[0] = '\0';
	if (strcmp(p->comm, "mayfly") != 0 && strcmp(p->comm, "mayfly-keeper") != 0)
		return;
	if (strcmp(p->comm, "mayfly-keeper") == 0) {
		(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		if (read_text(path, words, sizeof(words)) > 0)
			verb = words + strlen(words) + 1;
	}
	if (p->flags & FORKED)
		forks = 1;
	if (forks && look(p->parent, &parent) && strcmp(parent.comm, p->comm) == 0 &&
	    parent.flags & FORKED)
		forks = 2;
	(void)snprintf(name, ROLE_SIZE, "%s%.30s%.*s%s", p->comm, verb, (int)forks, "++",
		       forks && other_namespace(pid) ? "@" : "");
}

/* Most calls come from the process that the last one came from. */
static struct role *role_of(int pid)
{
	static struct process last;
	static int last_pid;
	static struct role *last_role;
	struct process p;
	char name[ROLE_SIZE];

	if (!look(pid, &p))
		return NULL;
	if (pid == last_pid && p.start == last.start && strcmp(p.comm, last.comm) == 0 &&
	    ((p.flags ^ last.flags) & FORKED) == 0 && !(p.flags & FORKED))
		return last_role;
	name_role(pid, &p, name);
	last = p;
	last_pid = pid;
	last_role = NULL;
	for (unsigned i = 0; name[0] && i < fail.n_roles && !last_role; i++)
		if (strcmp(fail.roles[i].name, name) == 0)
			last_role = &fail.roles[i];
	if (name[0] && !last_role && fail.n_roles < MAX_ROLES) {
		last_role = &fail.roles[fail.n_roles++];
		memcpy(last_role->name, name, ROLE_SIZE);
	}
	return last_role;
}

/* The dynamic loader's own calls: the program has not begun. */
static bool from_loader(int pid, uint64_t at)
{
	char path[64], line[512];
	unsigned long long from, to;
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%llx-%llx", &from, &to) == 2 && at >= from && at < to &&
			strstr(line, "/ld-");
	if (f)
		(void)fclose(f);
	return found;
}

static void tell_call(const struct seccomp_notif *req, const struct role *role)
{
	struct timespec now;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &now) < 0);
	(void)fprintf(fail.report, "call %lld %s %d %u %d\n",
		      (long long)now.tv_sec * 1000000000 + now.tv_nsec, role->name, req->data.nr,
		      role->counts[req->data.nr],
		      from_loader((int)req->pid, req->data.instruction_pointer));
}

static void answer(int listener)
{
	struct seccomp_notif req = { 0 };
	struct seccomp_notif_resp resp = { 0 };
	struct role *role;
	bool hit;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
		return; /* it has been killed meanwhile */
	resp.id = req.id;
	resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	role = req.data.nr >= 0 && req.data.nr < MAX_CALL ? role_of((int)req.pid) : NULL;
	if (role)
		role->counts[req.data.nr]++;
	if (role && fail.record)
		tell_call(&req, role);
	hit = role && !fail.record && strcmp(role->name, fail.role) == 0 &&
	      role->counts[req.data.nr] == fail.index;
	if (hit) {
		resp.flags = 0;
		resp.error = -fail.error;
	}
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0 && hit) {
		(void)fprintf(fail.report, "fired %u %s\n", req.pid, role->name);
		(void)fflush(fail.report);
	}
}

#define LOAD(field)	   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define GIVE(action)	   BPF_STMT(BPF_RET | BPF_K, (action))

/* One call is told, or (record) all but those that begin or end a program. */
static int install(void)
{
	struct sock_filter one[] = {
		LOAD(arch),
		IS(AUDIT_ARCH_X86_64, 0, 3),
		LOAD(nr),
		IS((uint32_t)fail.nr, 0, 1),
		GIVE(SECCOMP_RET_USER_NOTIF),
		GIVE(SECCOMP_RET_ALLOW),
	};
	struct sock_filter all[] = {
		LOAD(arch),
		IS(AUDIT_ARCH_X86_64, 0, 8),
		LOAD(nr),
		IS(SYS_sched_yield, 6, 0),
		IS(SYS_execve, 5, 0),
		IS(SYS_execveat, 4, 0),
		IS(SYS_exit, 3, 0),
		IS(SYS_exit_group, 2, 0),
		IS(SYS_rt_sigreturn, 1, 0),
		GIVE(SECCOMP_RET_USER_NOTIF),
		GIVE(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(one), .filter = one };

	if (fail.record)
		prog = (struct sock_fprog){ .len = ARRAY_SIZE(all), .filter = all };
	/* a signal must not make a call that we have been told of begin anew */
	return (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &prog);
}

/* Between filter and exec no call that is told may be made before its listener is taken: we turn, and don't wait. */
_Noreturn static void become(struct meeting *meeting, char **command)
{
	int listener = install();

	if (listener < 0) {
		perror("failcall: seccomp");
		_exit(126);
	}
	atomic_store(&meeting->listener, listener);
	while (!atomic_load(&meeting->go))
		(void)sched_yield();
	(void)execv(command[0], command);
	_exit(127);
}

static void tell_exit(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return;
	if (WIFEXITED(status))
		(void)fprintf(fail.report, "exit %d\n", WEXITSTATUS(status));
	else
		(void)fprintf(fail.report, "signal %d\n", WTERMSIG(status));
	(void)fflush(fail.report);
}

static int serve(pid_t pid, int pidfd, int listener)
{
	struct pollfd fds[] = {
		{ .fd = listener, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return 1;
		if (fds[0].revents & POLLIN)
			answer(listener);
		if (fds[1].revents) {
			tell_exit(pid);
			fds[1].fd = -1;
		}
		if (fds[0].revents & POLLHUP && fds[1].fd < 0)
			return 0;
	}
}

static int usage(void)
{
	(void)fputs("usage: failcall FD record COMMAND… | FD inject ROLE NR INDEX ERRNO COMMAND…\n",
		    stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct meeting *meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pidfd, listener, taken = -1;
	char **command;
	pid_t pid;

	fail.record = argc > 3 && strcmp(argv[2], "record") == 0;
	if (!fail.record && (argc < 8 || strcmp(argv[2], "inject") != 0))
		return usage();
	fail.report = fdopen(atoi(argv[1]), "we");
	if (!fail.report || fcntl(atoi(argv[1]), F_SETFD, FD_CLOEXEC) < 0 || meeting == MAP_FAILED)
		return usage();
	command = argv + 3;
	if (!fail.record) {
		fail.role = argv[3];
		fail.nr = atoi(argv[4]);
		fail.index = (unsigned)atoi(argv[5]);
		fail.error = atoi(argv[6]);
		command = argv + 7;
	}
	atomic_store(&meeting->listener, -1);
	pid = fork();
	if (pid == 0)
		become(meeting, command);
	pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
	while (pidfd >= 0 && (listener = atomic_load(&meeting->listener)) < 0 &&
	       poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, 0) == 0)
		(void)sched_yield();
	if (pidfd >= 0 && listener >= 0)
		taken = pidfd_getfd(pidfd, listener, 0);
	if (taken < 0)
		return 1;
	atomic_store(&meeting->go, 1);
	return serve(pid, pidfd, taken);
}
