/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/cgroup.h"
#include "jail/uids.h"
#include "keeper/gate.h"
#include "keeper/host.h"
#include "keeper/host_docker.h"
#include "keeper/host_sysctl.h"
#include "keeper/kvmcheck.h"
#include "keeper/link.h"
#include "keeper/owner_table.h"
#include "keeper/plan.h"

#define TEXT_SIZE 256
#define HOST_UP	  "run `mayfly host up`"

struct finding {
	char text[TEXT_SIZE];
	char mend[TEXT_SIZE];
};

/* true: good news. The text is a sentence's worth either way; mend only counts with false. */
typedef bool doctor_check(const struct host_config *host, struct finding *f);

static bool say(bool good, struct finding *f, const char *text, const char *mend)
{
	(void)str_copy(f->text, sizeof(f->text), text);
	(void)str_copy(f->mend, sizeof(f->mend), good ? "" : mend);
	return good;
}

static bool check_config(const struct host_config *host, struct finding *f)
{
	struct err err;

	return plan_check(host, &err) == 0
		       ? say(true, f, "pools, marks and uids fit each other", "")
		       : say(false, f, err.text, "correct it in the configuration");
}

static bool check_kvm(const struct host_config *host, struct finding *f)
{
	struct kvmcheck kvm;

	(void)host;
	kvmcheck_run(NULL, &kvm);
	return say(kvm.result == KVMCHECK_OK, f, kvm.text, kvm.mend);
}

/* Controllers are what this host gives; a limit that isn't enforced is bad news even where policy lets it pass. */
static bool check_cgroup(const struct host_config *host, struct finding *f)
{
	static const char *const needed[] = { "cpu", "memory", "pids" };
	const char *owner = host_has_systemd() ? "systemd" : "mayfly";
	char root[CGROUP_PATH_SIZE], path[CGROUP_PATH_SIZE + 32], text[512], missing[64] = "";
	struct err err;
	ssize_t n;

	(void)host;
	if (cgroup_find(root, &err) < 0)
		return say(false, f, "cgroup v2 is mounted nowhere",
			   "mount -t cgroup2 none /sys/fs/cgroup");
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &err);
	text[n < 0 ? 0 : n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!strstr(text, needed[i]))
			(void)snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				       " %s", needed[i]);
	if (missing[0]) {
		(void)snprintf(text, sizeof(text),
			       "cgroup v2 at %.100s lacks%s: limits are not enforced", root,
			       missing);
		return say(
			false, f, text,
			"boot with systemd.unified_cgroup_hierarchy=1, or mount no v1 controllers");
	}
	(void)snprintf(text, sizeof(text),
		       "cgroup v2 at %.100s has cpu, memory and pids; %s makes the groups", root,
		       owner);
	return say(true, f, text, "");
}

static bool check_tun(const struct host_config *host, struct finding *f)
{
	auto_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)host;
	if (fd >= 0)
		return say(true, f, "/dev/net/tun opens", "");
	return errno == EACCES || errno == EPERM
		       ? say(false, f, "this process may not open /dev/net/tun", "run it as root")
		       : say(false, f, "/dev/net/tun is missing", "modprobe tun");
}

static bool check_nftables(const struct host_config *host, struct finding *f)
{
	struct err err = { .code = 0 };

	(void)host;
	return owner_table_possible(&err) == 1
		       ? say(true, f, "nftables makes netdev owner tables with ingress and egress",
			     "")
		       : say(false, f, err.text,
			     "use Linux 5.16 or newer with CONFIG_NF_TABLES_NETDEV and "
			     "NETFILTER_EGRESS");
}

/* In a child: a namespace of our own could not be left again */
static bool check_namespaces(const struct host_config *host, struct finding *f)
{
	pid_t pid = fork();
	int status = -1;

	(void)host;
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
			      CLONE_NEWIPC | CLONE_NEWUTS) < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? say(true, f, "user, mount, pid, net, ipc and uts namespaces can be made",
			     "")
		       : say(false, f, "namespaces can't be made",
			     "set user.max_user_namespaces (and its siblings) above 0, and leave "
			     "any chroot");
}

static bool check_group(const struct host_config *host, struct finding *f)
{
	char text[TEXT_SIZE];
	bool there = getgrnam(host->group) != NULL;

	(void)snprintf(text, sizeof(text), "group %s %s", host->group,
		       there ? "exists" : "is missing");
	return say(there, f, text, HOST_UP);
}

static bool check_uids(const struct host_config *host, struct finding *f)
{
	struct err err;

	return uids_check(host->uid_base, host->slot_count, &uids_host_files, &err) == 0
		       ? say(true, f, "the sandboxes' uids are nobody else's", "")
		       : say(false, f, err.text, "set another uid range in the configuration");
}

static bool check_gate(const struct host_config *host, struct finding *f)
{
	struct err err = { .code = 0 };
	int present = gate_present(host, &err);

	if (present < 0)
		return say(false, f, err.text,
			   "run it as root; if the table is not mayfly's, rename it");
	return say(present, f,
		   present ? "the gate is loaded" : "the gate is not loaded, or for other marks",
		   HOST_UP);
}

static bool check_forwarding(const struct host_config *host, struct finding *f)
{
	char text[TEXT_SIZE];
	bool on = host_sysctl_forwards(host, text, sizeof(text));

	return say(on, f, text, HOST_UP);
}

static bool check_pools(const struct host_config *host, struct finding *f)
{
	char text[TEXT_SIZE];
	struct err err;
	int clash = link_pool_clash(host, text, sizeof(text), &err);

	if (clash == 0)
		return say(true, f, "no route of the host overlaps the address pools", "");
	return say(false, f, clash < 0 ? err.text : text, "set another pool in the configuration");
}

static bool check_docker(const struct host_config *host, struct finding *f)
{
	struct err err = { .code = 0 };
	int passes = host_docker_passes(&err);

	(void)host;
	if (passes < 0)
		return say(false, f, err.text, "run it as root");
	return say(passes, f,
		   passes ? "Docker's rules do not stand in the way"
			  : "Docker's FORWARD chain drops sandboxes' packets",
		   HOST_UP);
}

static const struct {
	const char *name;
	doctor_check *check;
	bool only_root; /* nobody else can look, so nothing can be said */
} checks[] = {
	{ "configuration", check_config, false },
	{ "virtualisation", check_kvm, false },
	{ "cgroup", check_cgroup, false },
	{ "tap", check_tun, false },
	{ "nftables", check_nftables, true },
	{ "namespaces", check_namespaces, false },
	{ "group", check_group, false },
	{ "uids", check_uids, false },
	{ "gate", check_gate, true },
	{ "forwarding", check_forwarding, false },
	{ "pools", check_pools, false },
	{ "Docker", check_docker, true },
};

int doctor_run(const struct host_config *host, const struct sink *sink)
{
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct finding f = { .text = "" };
		bool good = checks[i].only_root && geteuid() != 0
				    ? say(false, &f, "only root can look", "run it as root")
				    : checks[i].check(host, &f);

		failed += !good;
		sink_put(sink, CTL_ITEM, good ? ERR_NONE : ERR_FAILED, "%s: %s%s%s", checks[i].name,
			 f.text, good ? "" : ". Mend: ", good ? "" : f.mend);
	}
	return failed;
}
