/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A monitor's cgroup, from its parent to its removal; limits are tried where this host gives the controllers. As root. */
#include "jail/cgroup.h"
#include "tests/jail/inside/inmate.h"

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
	check("cpu.weight holds the share", file_says(f->leaf, "cpu.weight", "250\n"));
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
	const struct cgroup_limits limits = {
		.memory_bytes = 64 << 20, .cpu_percent = 150, .cpu_weight = 250, .pids = 5
	};
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

/* In a process of its own, which moves: 0, or the number of the step that failed. */
static int live_in_unit(const char *unit)
{
	char own[CGROUP_PATH_SIZE], want[CGROUP_PATH_SIZE * 2];
	uint32_t missing;
	struct err err;
	auto_fd fd = -1;

	(void)snprintf(want, sizeof(want), "%s/cgroup.procs", unit);
	fd = open(want, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return 1;
	if (cgroup_own(own, &err) < 0 || strcmp(own, unit) != 0)
		return 2;
	if (cgroup_split(unit, &missing, &err) < 0)
		return 3;
	(void)snprintf(want, sizeof(want), "%s/keeper", unit);
	if (cgroup_own(own, &err) < 0 || strcmp(own, want) != 0)
		return 4;
	if (cgroup_split(unit, &missing, &err) < 0) /* as after a restart within the unit */
		return 5;
	(void)snprintf(want, sizeof(want), "%s/vmm", unit);
	return cgroup_create(want, &err) < 0 ? 6 : 0;
}

/* The other shape: a unit's cgroup, divided between the keeper and the monitor. */
static void test_unit(const struct cgroup_fixture *f)
{
	static const char *const leaves[] = { "/vmm", "/keeper", "" };
	char unit[CGROUP_PATH_SIZE], path[CGROUP_PATH_SIZE * 2];
	struct err err;
	int status = -1;
	bool removed = true;
	pid_t pid;

	(void)snprintf(unit, sizeof(unit), "%.480s/unit", f->parent);
	check("a unit's cgroup is made", cgroup_create(unit, &err) == 0);
	pid = fork();
	if (pid == 0)
		_exit(live_in_unit(unit));
	(void)waitpid(pid, &status, 0);
	if (!check("a keeper divides its unit's cgroup",
		   WIFEXITED(status) && WEXITSTATUS(status) == 0))
		printf("# step %d\n", WEXITSTATUS(status));
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", unit, leaves[i]);
		removed &= cgroup_remove(path, WAIT_MS, &err) == 0;
	}
	check("and all of it is removed", removed && access(unit, F_OK) < 0);
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
	test_unit(&f);
	check("the leaf is removed",
	      cgroup_remove(f.leaf, WAIT_MS, &err) == 0 && access(f.leaf, F_OK) < 0);
	check("the parent is removed",
	      cgroup_parent_down(f.parent, &err) == 0 && access(f.parent, F_OK) < 0);
	test_cgroup_absence(&f);
}

int main(int argc, char **argv)
{
	(void)argc;
	tests_begin(argv[0]);
	test_cgroups();
	return tests_end();
}
