/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Doctor's checks of what the machine and its kernel must be able to do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "jail/cgroup.h"
#include "keeper/doctor.h"
#include "keeper/host.h"
#include "keeper/kvmcheck.h"
#include "keeper/owner_table.h"

/* netfilter's egress hook for netdev tables; cgroup.kill came with 5.14, Landlock with 5.13 */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 16

static enum doctor_level check_kernel(const struct host_config *host, struct doctor_finding *f)
{
	int major = 0, minor = 0;
	struct utsname name;

	(void)host;
	if (uname(&name) < 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return doctor_say(f, DOCTOR_BAD, "use Linux 5.16 or newer",
				  "the kernel doesn't say which version it is");
	if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		return doctor_say(f, DOCTOR_BAD, "use Linux 5.16 or newer",
				  "Linux %.60s is too old", name.release);
	if (strcmp(name.machine, "x86_64") != 0)
		return doctor_say(f, DOCTOR_BAD, "use a 64-bit Intel or AMD machine",
				  "this machine is %.60s, not x86_64", name.machine);
	return doctor_say(f, DOCTOR_GOOD, "", "Linux %.60s", name.release);
}

static enum doctor_level check_kvm(const struct host_config *host, struct doctor_finding *f)
{
	struct kvmcheck kvm;

	(void)host;
	kvmcheck_run(NULL, &kvm);
	return doctor_say(f, kvm.result == KVMCHECK_OK ? DOCTOR_GOOD : DOCTOR_BAD, kvm.mend, "%s",
			  kvm.text);
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += len)
		if ((at == text || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

static void lacking(const char *have, const char *const needed[], size_t n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++)
		if (!has_word(have, needed[i]))
			used += (size_t)snprintf(out + used, size - used, " %s", needed[i]);
}

/* Limits that aren't enforced are bad where the site wants them, else a note; io only serves those who ask for it. */
static enum doctor_level check_cgroup(const struct host_config *host, struct doctor_finding *f)
{
	static const char *const needed[] = { "cpu", "memory", "pids" };
	enum doctor_level bad = host->cgroup_required ? DOCTOR_BAD : DOCTOR_NOTE;
	const char *owner = host_has_systemd() ? "systemd" : "mayfly";
	char root[CGROUP_PATH_SIZE], path[CGROUP_PATH_SIZE + 32], have[512], missing[64];
	struct err err;

	if (cgroup_find(root, &err) < 0)
		return doctor_say(f, bad, "mount -t cgroup2 none /sys/fs/cgroup",
				  "limits are not enforced: cgroup v2 is mounted nowhere");
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
	(void)doctor_read(path, have, sizeof(have));
	lacking(have, needed, ARRAY_SIZE(needed), missing, sizeof(missing));
	if (missing[0])
		return doctor_say(f, bad,
				  "boot with systemd.unified_cgroup_hierarchy=1 and without "
				  "cgroup_disable=, or mount no v1 controllers",
				  "limits are not enforced: cgroup v2 at %.60s lacks%s", root,
				  missing);
	if (!has_word(have, "io"))
		return doctor_say(
			f, DOCTOR_NOTE,
			"boot a kernel with CONFIG_BLK_CGROUP, and no v1 io controller",
			"cgroup v2 at %.60s lacks io: disk limits that a sandbox is given "
			"are not enforced",
			root);
	return doctor_say(f, DOCTOR_GOOD, "",
			  "cgroup v2 at %.60s has cpu, memory, pids and io; %s owns the tree", root,
			  owner);
}

/* In a child: a namespace of our own could not be left again */
static enum doctor_level check_namespaces(const struct host_config *host, struct doctor_finding *f)
{
	static const struct {
		int flag;
		const char *name;
	} kinds[] = {
		{ CLONE_NEWUSER, "user" }, { CLONE_NEWNS, "mnt" },  { CLONE_NEWPID, "pid" },
		{ CLONE_NEWNET, "net" },   { CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" },
	};
	char mend[DOCTOR_TEXT_SIZE];
	int status = -1;
	pid_t pid = fork();
	const char *kind;

	(void)host;
	if (pid == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			if (unshare(kinds[i].flag) < 0)
				_exit(1 + (int)i);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return doctor_say(f, DOCTOR_GOOD, "",
				  "user, mnt, pid, net, ipc and uts namespaces can be made");
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > (int)ARRAY_SIZE(kinds))
		return doctor_say(f, DOCTOR_BAD, "see whether the host is out of processes",
				  "whether namespaces can be made can't be tried");
	kind = kinds[WEXITSTATUS(status) - 1].name;
	(void)snprintf(mend, sizeof(mend),
		       "set user.max_%s_namespaces above what is in use, and leave any chroot",
		       kind);
	return doctor_say(f, DOCTOR_BAD, mend, "a %s namespace can't be made", kind);
}

/* The jail goes on without it, and says so: it is the last of several walls. */
static enum doctor_level check_landlock(const struct host_config *host, struct doctor_finding *f)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	(void)host;
	if (abi > 0)
		return doctor_say(f, DOCTOR_GOOD, "", "Landlock answers, version %ld", abi);
	return doctor_say(
		f, DOCTOR_NOTE,
		"add landlock to the kernel's lsm= list, with CONFIG_SECURITY_LANDLOCK",
		"Landlock is off: a monitor that was taken over has one wall less between "
		"it and the host's files");
}

static enum doctor_level check_seccomp(const struct host_config *host, struct doctor_finding *f)
{
	unsigned action = SECCOMP_RET_TRAP;

	(void)host;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		return doctor_say(f, DOCTOR_GOOD, "", "seccomp filters can be installed");
	return doctor_say(f, DOCTOR_BAD, "use a kernel with CONFIG_SECCOMP_FILTER",
			  "this kernel has no seccomp filters");
}

static enum doctor_level check_tun(const struct host_config *host, struct doctor_finding *f)
{
	auto_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)host;
	if (fd >= 0)
		return doctor_say(f, DOCTOR_GOOD, "", "/dev/net/tun opens");
	if (errno == EACCES || errno == EPERM)
		return doctor_say(f, DOCTOR_BAD,
				  "run it as root; in a container, allow it the device",
				  "this process may not open /dev/net/tun");
	return doctor_say(f, DOCTOR_BAD, "modprobe tun", "/dev/net/tun does not open: %s",
			  err_errno_text(errno));
}

static enum doctor_level check_nftables(const struct host_config *host, struct doctor_finding *f)
{
	struct err err = { .code = 0 };

	(void)host;
	return owner_table_possible(&err) == 1
		       ? doctor_say(f, DOCTOR_GOOD, "",
				    "nftables makes netdev owner tables with ingress and egress")
		       : doctor_say(f, DOCTOR_BAD,
				    "use Linux 5.16 or newer with CONFIG_NF_TABLES_NETDEV and "
				    "CONFIG_NETFILTER_EGRESS",
				    "%s", err.text);
}

const struct doctor_row doctor_kernel_rows[] = {
	{ "kernel", check_kernel, false },
	{ "virtualisation", check_kvm, false },
	{ "cgroup", check_cgroup, false },
	{ "namespaces", check_namespaces, false },
	{ "landlock", check_landlock, false },
	{ "seccomp", check_seccomp, false },
	{ "tap", check_tun, false },
	{ "nftables", check_nftables, true },
	{ 0 },
};
