/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What runs in the monitor's place in test_jail_spawn: it makes the monitor's descent, then tries from inside what a
 * taken-over monitor would try. Results go over the channel as TAP texts without numbers, the last packet is "done".
 * argv[1] says what to do: "report", "hold" (descend, say "done", wait), "eat" (descend, touch memory for ever),
 * "raw" (no descent: wait).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/enter.h"

#define N_FDS	   64
#define FILE_BYTES (1u << 20)

extern char **environ;

static void say(const char *text)
{
	(void)send(LAUNCH_FD_CHANNEL, text, strlen(text), MSG_NOSIGNAL);
}

static void check(const char *name, bool good)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%sok - %s", good ? "" : "not ", name);
	say(text);
}

/* The call failed, with this errno. */
static void refused(const char *name, long rc, int os_errno)
{
	int got = errno;
	char text[256];

	(void)snprintf(text, sizeof(text), "%sok - %s", rc == -1 && got == os_errno ? "" : "not ",
		       name);
	if (rc != -1 || got != os_errno)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " (%ld, errno %d)",
			       rc, got);
	say(text);
}

static bool no_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets) < 0)
		return false;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (sets[i].effective || sets[i].permitted || sets[i].inheritable)
			return false;
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != 0)
			return false;
	return true;
}

static void check_identity(void)
{
	sigset_t mask;
	struct utsname names;
	int signo = 0;
	bool unblocked = true;
	const int locks = prctl(PR_GET_SECUREBITS);

	check("is 0:0 of its own user namespace",
	      getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
	check("has no supplementary group", getgroups(0, NULL) == 0);
	check("is process 1 of its own pid namespace", getpid() == 1 && getppid() == 0);
	check("leads a session of its own", getsid(0) == 1);
	check("every capability set is empty", no_capabilities());
	check("securebits are locked", (locks & SECURE_ALL_LOCKS) == (int)SECURE_ALL_LOCKS &&
					       !(locks & issecure_mask(SECURE_KEEP_CAPS)));
	check("no_new_privs is on", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	check("isn't dumpable", prctl(PR_GET_DUMPABLE) == 0);
	check("dies with its parent", prctl(PR_GET_PDEATHSIG, &signo) == 0 && signo == SIGKILL);
	check("the environment is empty", environ[0] == NULL);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 32; s++)
		unblocked &= !sigismember(&mask, s);
	check("no signal is blocked", unblocked);
	check("the host's name is gone", uname(&names) == 0 && names.nodename[0] == '\0');
}

static void check_descriptors(uint32_t n_disks)
{
	bool exact = true;
	struct stat st;

	for (int fd = 0; fd < 4096; fd++) {
		bool wanted = fd <= LAUNCH_FD_URANDOM ||
			      (fd >= LAUNCH_FD_DISK0 && fd < LAUNCH_FD_DISK0 + (int)n_disks);

		exact &= (fcntl(fd, F_GETFD) >= 0) == wanted;
	}
	check("holds the record's descriptors and no other", exact);
	exact = true;
	for (int fd = 0; fd < 3; fd++)
		exact &= fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x103;
	check("0, 1 and 2 are /dev/null", exact);
}

static void check_files(void)
{
	struct statfs fs;
	const long bare = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC;

	check("the root is a read-only tmpfs, nodev, nosuid, noexec",
	      statfs("/", &fs) == 0 && fs.f_type == 0x01021994 &&
		      ((long)fs.f_flags & bare) == bare);
	refused("there is no /proc", access("/proc", F_OK), ENOENT);
	refused("there is no /dev", access("/dev", F_OK), ENOENT);
	refused("nothing lies above the root", access("../../../usr", F_OK), ENOENT);
	check("no file can be made", open("/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
	check("no directory can be made", mkdir("/x", 0700) < 0);
	check("no node can be made", mknod("/x", S_IFCHR | 0600, 0x103) < 0);
	refused("nothing can be mounted", mount("x", "/", "tmpfs", 0, NULL), EPERM);
	refused("the root can't be made writable",
		mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM);
	refused("the root can't be changed", chroot("/"), EPERM);
	refused("no namespace can be made", unshare(CLONE_NEWNS), EPERM);
	refused("no user namespace can be made", unshare(CLONE_NEWUSER), ENOSPC);
}

static void check_reach(void)
{
	struct sockaddr_in host = { .sin_family = AF_INET,
				    .sin_port = 0x1600,
				    .sin_addr = { 0x0100007f } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check("no network is reachable", fd >= 0 && connect(fd, (void *)&host, sizeof(host)) < 0);
	(void)close(fd);
	refused("no other process can be seen", kill(2, 0), ESRCH);
	refused("no other process can be signalled", kill(-1, SIGCONT), ESRCH);
	refused("the clock can't be set", syscall(SYS_settimeofday, &(long[2]){ 1, 1 }, NULL),
		EPERM);
}

static bool open_until_full(void)
{
	int fds[N_FDS];
	int n = 0, got;

	while (n < N_FDS && (fds[n] = dup(0)) >= 0)
		n++;
	got = errno;
	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
	return n < N_FDS && got == EMFILE;
}

/* The jail gives this test one thread and two for KVM: the third child is too many. */
static bool fork_until_full(void)
{
	pid_t pids[8];
	int n = 0, got;

	while (n < 8 && (pids[n] = fork()) >= 0) {
		if (pids[n] == 0)
			for (;;)
				pause();
		n++;
	}
	got = errno;
	for (int i = 0; i < n; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	return n == 2 && got == EAGAIN;
}

static void check_limits(void)
{
	struct rlimit core;
	int fd = (int)syscall(SYS_memfd_create, "x", 0);

	check("files end at their limit", fd >= 0 && ftruncate(fd, FILE_BYTES) == 0 &&
						  pwrite(fd, "x", 1, FILE_BYTES) < 0 &&
						  errno == EFBIG);
	(void)close(fd);
	check("descriptors end at their limit", open_until_full());
	check("processes end at their limit", fork_until_full());
	check("no core file is written", getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	refused("limits can't be raised", setrlimit(RLIMIT_CORE, &(struct rlimit){ 1, 1 }), EPERM);
}

static void eat(void)
{
	const size_t step = 1u << 20;

	for (;;) {
		char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p != MAP_FAILED)
			memset(p, 1, step);
	}
}

static int fail(const struct err *err)
{
	say(err->text);
	return 3;
}

int main(int argc, char **argv)
{
	const struct jail_limits limits = { .file_bytes = FILE_BYTES,
					    .n_threads = 1,
					    .n_fds = N_FDS };
	struct launch_record record;
	struct err err;
	uint32_t flags;
	char byte;

	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "raw") == 0)
		return (int)recv(LAUNCH_FD_CHANNEL, &byte, 1, 0);
	if (recv(LAUNCH_FD_CHANNEL, &record, sizeof(record), 0) != sizeof(record))
		return 2;
	if (jail_enter_fds(&record, &err) < 0 || jail_enter(&limits, &flags, &err) < 0)
		return fail(&err);
	if (strcmp(argv[1], "report") == 0) {
		check("Landlock is on, or this kernel has none",
		      !(flags & JAIL_ENTER_NO_LANDLOCK) ||
			      syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0);
		if (!(flags & JAIL_ENTER_NO_LANDLOCK))
			refused("Landlock forbids even to list the empty root",
				open("/", O_RDONLY | O_DIRECTORY), EACCES);
		check_identity();
		check_descriptors(record.n_disks);
		check_files();
		check_reach();
		check_limits();
	}
	say("done");
	if (strcmp(argv[1], "eat") == 0)
		eat();
	(void)recv(LAUNCH_FD_CHANNEL, &byte, 1, 0);
	return 0;
}
