/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Theory of operation. The process arrives here as 0:0 of its own user namespace, with every capability in it, in mount,
 * pid, net, ipc and uts namespaces that it owns, and sees the host's files, as a uid that owns none of them. Each stage
 * takes something away; the order is forced: capabilities empty the root and are dropped after it, no_new_privs comes
 * before Landlock (which asks for it), the death signal after the last change of credentials (which clears it). What
 * makes the VM (KVM, memory, threads) comes after all of this and needs none of it: open descriptors are enough.
 */
#include "jail/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bug.h"

/* Two threads that KVM may start in our name (see cgroup_pids_max). */
#define KVM_THREADS 2

/* ---- descriptors ---- */

struct expected_fd {
	int fd;
	const char *name;
	mode_t type;
	bool read_only;
};

/* Opened read-only, or a memfd whose content is sealed. */
static bool is_read_only(int fd, int flags)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return (flags & O_ACCMODE) == O_RDONLY || (seals >= 0 && (seals & F_SEAL_WRITE));
}

static int check_fd(const struct expected_fd *want, struct err *err)
{
	struct stat st;
	int flags = fcntl(want->fd, F_GETFL);

	if (flags < 0 || fstat(want->fd, &st) < 0)
		return err_sys(err, "descriptor %d (%s) wasn't handed over", want->fd, want->name);
	if ((st.st_mode & S_IFMT) != want->type)
		return err_set(err, ERR_FAILED, "descriptor %d (%s) is of another type (mode %o)",
			       want->fd, want->name, st.st_mode);
	if (want->read_only && !is_read_only(want->fd, flags))
		return err_set(err, ERR_FAILED, "descriptor %d (%s) may be written", want->fd,
			       want->name);
	return 0;
}

static int check_channel(struct err *err)
{
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(LAUNCH_FD_CHANNEL, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET)
		return err_set(err, ERR_FAILED, "descriptor %d is no SEQPACKET channel",
			       LAUNCH_FD_CHANNEL);
	return 0;
}

static int check_disk(const struct launch_record *record, uint32_t i, struct err *err)
{
	struct expected_fd want = {
		.fd = LAUNCH_FD_DISK0 + (int)i,
		.name = "disk",
		.type = S_IFREG,
		.read_only = record->disks[i].flags & LAUNCH_DISK_READ_ONLY,
	};
	struct stat st;

	if (fstat(want.fd, &st) == 0 && S_ISBLK(st.st_mode))
		want.type = S_IFBLK;
	return check_fd(&want, err);
}

/*
 * Should: find what the record promises at its number, and close everything else from 3 on.
 * Mustn't: trust that the keeper, or what started the keeper, left nothing open; go on with a file in a device's place.
 */
int jail_enter_fds(const struct launch_record *record, struct err *err)
{
	static const struct expected_fd always[] = {
		{ STDIN_FILENO, "/dev/null", S_IFCHR, false },
		{ STDOUT_FILENO, "/dev/null", S_IFCHR, false },
		{ STDERR_FILENO, "/dev/null", S_IFCHR, false },
		{ LAUNCH_FD_CHANNEL, "channel", S_IFSOCK, false },
		{ LAUNCH_FD_KVM, "/dev/kvm", S_IFCHR, false },
		{ LAUNCH_FD_KERNEL, "kernel", S_IFREG, true },
		{ LAUNCH_FD_INITRD, "initrd", S_IFREG, true },
		{ LAUNCH_FD_CONSOLE, "console ring", S_IFREG, false },
		{ LAUNCH_FD_URANDOM, "/dev/urandom", S_IFCHR, false },
	};
	static const struct expected_fd tap = { LAUNCH_FD_TAP, "tap", S_IFCHR, false };

	if (record->n_disks > LAUNCH_MAX_DISKS)
		return err_set(err, ERR_FAILED, "launch record: %u disks", record->n_disks);
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (check_fd(&always[i], err) < 0)
			return -1;
	if (check_channel(err) < 0)
		return -1;
	if (!(record->flags & LAUNCH_NET))
		(void)close(LAUNCH_FD_TAP);
	else if (check_fd(&tap, err) < 0)
		return -1;
	for (uint32_t i = 0; i < record->n_disks; i++)
		if (check_disk(record, i, err) < 0)
			return -1;
	if (syscall(SYS_close_range, LAUNCH_FD_DISK0 + record->n_disks, ~0u, 0) < 0)
		return err_sys(err, "can't close other descriptors");
	return 0;
}

/* ---- stages ---- */

/*
 * Should: make a broken pipe and a file that is too large an errno of the call that meets them.
 * Mustn't: catch anything: what else arrives is a bug (or SIGKILL) and ends the process.
 */
static int stage_signals(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	(void)limits, (void)flags;
	(void)prctl(PR_SET_NAME, "mayfly-vmm");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return err_sys(err, "signals");
	return 0;
}

/*
 * Should: bound threads, descriptors and file sizes, and leave no core file with guest memory in it.
 * Mustn't: rely on these for memory: that is the cgroup's.
 */
static int stage_rlimits(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	const struct {
		int resource;
		rlim_t value;
	} table[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_FSIZE, limits->file_bytes },
		{ RLIMIT_NOFILE, limits->n_fds },
		{ RLIMIT_NPROC, limits->n_threads + KVM_THREADS },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NICE, 0 },
		{ RLIMIT_RTPRIO, 0 },
	};

	(void)flags;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct rlimit limit = { table[i].value, table[i].value };

		if (syscall(SYS_prlimit64, 0, table[i].resource, &limit, NULL) < 0)
			return err_sys(err, "limit %d", table[i].resource);
	}
	return 0;
}

/*
 * Should: allow no user namespace below this one, in which an exploit would have capabilities again. The file is this
 * user namespace's own view; it has to be written while the host's /proc can still be named.
 * Mustn't: fail where /proc/sys can't be written (a unit with ProtectKernelTunables): the filters forbid unshare too.
 */
static int stage_user_namespaces(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);

	(void)limits, (void)err;
	if (fd < 0 || write(fd, "0\n", 2) != 2)
		*flags |= JAIL_ENTER_USER_NAMESPACES;
	if (fd >= 0)
		(void)close(fd);
	return 0;
}

/*
 * Should: put an empty file system without room for a file, that can't be written, in the place of the host's, and let
 * go of the host's tree whole. /dev is only a directory that every host has: nothing is left in it.
 * Mustn't: show the host a mount (propagation is cut first); leave the working directory outside.
 */
static int stage_root(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	const unsigned long bare = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	(void)limits, (void)flags;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "can't cut mount propagation");
	if (mount("empty", "/dev", "tmpfs", bare, "mode=0555,nr_inodes=1,size=4k") < 0)
		return err_sys(err, "can't mount an empty tmpfs");
	if (chdir("/dev") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, "can't change to the empty root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "can't let go of the host's root");
	return 0;
}

/*
 * Should: forget the host's name, which the new uts namespace has copied.
 */
static int stage_names(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	(void)limits, (void)flags;
	if (sethostname("", 0) < 0 || setdomainname("", 0) < 0)
		return err_sys(err, "can't clear the host's name");
	return 0;
}

/*
 * Should: empty every set of capabilities, and lock the bits by which uid 0 would get them back on exec.
 * Mustn't: come before the root is empty; leave the bounding set (it outlives an exec).
 */
static int stage_capabilities(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	const unsigned long bits =
		SECURE_ALL_LOCKS | (SECURE_ALL_BITS & ~issecure_mask(SECURE_KEEP_CAPS));
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	int cap = 0;

	(void)limits, (void)flags;
	while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	if (errno != EINVAL || cap <= CAP_LAST_CAP)
		return err_sys(err, "can't empty the bounding set (at capability %d)", cap);
	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
		return err_sys(err, "can't lock securebits");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, "can't empty the ambient set");
	if (syscall(SYS_capset, &header, none) < 0)
		return err_sys(err, "can't empty the capability sets");
	return 0;
}

/*
 * Should: make gaining privileges by exec impossible, and the process's memory nobody's to read but the host's root.
 */
static int stage_privileges(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	(void)limits, (void)flags;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "can't become undumpable");
	return 0;
}

/*
 * Should: die with the keeper, also if it died before this line: the channel tells (in a pid namespace getppid is 0).
 * Mustn't: come before the last change of credentials, which clears the signal.
 */
static int stage_parent(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	struct pollfd channel = { .fd = LAUNCH_FD_CHANNEL };

	(void)limits, (void)flags;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_sys(err, "can't be told of the keeper's death");
	if (poll(&channel, 1, 0) < 0)
		return err_sys(err, "channel");
	if (channel.revents & (POLLHUP | POLLERR | POLLNVAL))
		return err_set(err, ERR_FAILED, "the keeper is dead");
	return 0;
}

/* As the newest kernels read it; the build's headers may know only its head. The kernel accepts any size with zeros. */
struct landlock_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

/*
 * Should: handle, and so forbid, every right that this kernel's Landlock knows: no rule allows any of them.
 * Mustn't: fail where there is no Landlock; names can't be looked up in an empty root anyway.
 */
static int stage_landlock(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	/* how many rights, counted from bit 0, each version of the interface knows (Documentation/userspace-api/landlock.rst) */
	static const struct {
		int fs, net, scoped;
	} known[] = { { 0, 0, 0 },  { 13, 0, 0 }, { 14, 0, 0 }, { 15, 0, 0 },
		      { 15, 2, 0 }, { 16, 2, 0 }, { 16, 2, 2 } };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_attr attr;
	size_t size;
	int fd;

	(void)limits;
	if (abi <= 0) {
		*flags |= JAIL_ENTER_NO_LANDLOCK;
		return 0;
	}
	if (abi >= (long)ARRAY_SIZE(known))
		abi = ARRAY_SIZE(known) - 1;
	attr.handled_access_fs = (1ull << known[abi].fs) - 1;
	attr.handled_access_net = (1ull << known[abi].net) - 1;
	attr.scoped = (1ull << known[abi].scoped) - 1;
	size = abi < 4	 ? offsetof(struct landlock_attr, handled_access_net)
	       : abi < 6 ? offsetof(struct landlock_attr, scoped)
			 : sizeof(attr);
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return err_sys(err, "Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(err, "Landlock");
	(void)close(fd);
	return 0;
}

int jail_enter(const struct jail_limits *limits, uint32_t *flags, struct err *err)
{
	static const struct {
		const char *name;
		int (*run)(const struct jail_limits *limits, uint32_t *flags, struct err *err);
	} stages[] = {
		{ .name = "signals", .run = stage_signals },
		{ .name = "limits", .run = stage_rlimits },
		{ .name = "user namespaces", .run = stage_user_namespaces },
		{ .name = "empty root", .run = stage_root },
		{ .name = "names", .run = stage_names },
		{ .name = "capabilities", .run = stage_capabilities },
		{ .name = "privileges", .run = stage_privileges },
		{ .name = "keeper's death", .run = stage_parent },
		{ .name = "Landlock", .run = stage_landlock },
	};

	*flags = 0;
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (stages[i].run(limits, flags, err) < 0)
			return err_wrap(err, "jail, %s", stages[i].name);
	return 0;
}
