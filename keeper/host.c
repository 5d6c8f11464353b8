/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * One table of steps, done in order and undone in reverse. Every `up` is idempotent, every `down` takes absence for
 * success, so that either can be run again after a crash anywhere. What can't be told from the host itself (old values,
 * whether the group was there before) is noted first, see host_state.h.
 */
#include "keeper/host.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
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
#include "keeper/host_dirs.h"
#include "keeper/host_docker.h"
#include "keeper/host_ranges.h"
#include "keeper/host_state.h"
#include "keeper/host_sysctl.h"
#include "keeper/link.h"
#include "keeper/plan.h"
#include "store/entry.h"
#include "store/group.h"
#include "store/lock.h"
#include "store/paths.h"

#define CONTROLLERS_SIZE 256
#define SAID_SIZE	 ERR_TEXT_MAX

/* What steps return: done, said holds a sentence or nothing; 1 is a warning that host up survives; -1 with err */
typedef int host_step(const struct host_config *host, char said[SAID_SIZE], struct err *err);

#define SAY(...) (void)snprintf(said, SAID_SIZE, __VA_ARGS__)

bool host_has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/* ---- directories ---- */

static int dirs_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	if (host_dirs_up(host, err) < 0)
		return -1;
	SAY("%.100s and %.100s", host->state_dir, host->run_dir);
	return host_state_begin(host, true, err);
}

static int dirs_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	if (host_state_forget(host, err) < 0)
		return -1;
	switch (host_dirs_down(host, err)) {
	case HOST_DIRS_GONE:
		SAY("%.100s and %.100s are gone", host->state_dir, host->run_dir);
		return 0;
	case HOST_DIRS_RECEIPTS:
		SAY("%.100s stays, with the receipts of sandboxes that have ended",
		    host->state_dir);
		return 0;
	case HOST_DIRS_SANDBOXES:
		SAY("%.100s stays, with what there is of sandboxes", host->state_dir);
		return 0;
	default:
		return -1;
	}
}

/* ---- group ---- */

static int run_tool(const char *const argv[], struct err *err)
{
	/* posix_spawn's type says that it might write to its arguments; it does not */
	union {
		const char *const *from;
		char *const *to;
	} args = { .from = argv };
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const environment[] = { path, NULL };
	int status;
	pid_t pid;

	errno = posix_spawn(&pid, argv[0], NULL, NULL, args.to, environment);
	if (errno != 0)
		return err_sys(err, "can't run %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "can't wait for %s", argv[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, ERR_FAILED, "%s failed", argv[0]);
	return 0;
}

static int group_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	const char *const argv[] = { "/usr/sbin/groupadd", "--system", host->group, NULL };
	gid_t gid;
	int there = group_find(host->group, &gid, err);

	if (there < 0)
		return -1;
	SAY("%s %s", host->group, there ? "is there" : "made");
	if (!there &&
	    (host_state_note(host, err, "group %s", host->group) < 0 || run_tool(argv, err) < 0))
		return -1;
	return paths_give(host, err);
}

static int remove_group(const char *name, void *arg, struct err *err)
{
	const char *const argv[] = { "/usr/sbin/groupdel", name, NULL };
	gid_t gid;
	int there = group_find(name, &gid, err);

	(void)arg;
	return there > 0 ? run_tool(argv, err) : there;
}

static int group_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	gid_t gid;
	int was_there = group_find(host->group, &gid, err), there;

	if (was_there < 0 || host_state_each(host, "group", remove_group, NULL, err) < 0)
		return -1;
	there = group_find(host->group, &gid, err);
	if (there < 0)
		return -1;
	if (there)
		SAY("%s stays: host up had found it", host->group);
	else
		SAY("%s %s", host->group, was_there ? "removed" : "is not there");
	return 0;
}

/* ---- ranges ---- */

/* What the configuration wants must be free; asked before anything is made. */
static int ranges_are_free(const struct host_config *host, struct err *err)
{
	char clash[SAID_SIZE];
	int r;

	if (uids_check(host->uid_base, host->slot_count, &uids_host_files, err) < 0)
		return -1;
	r = link_pool_clash(host, clash, sizeof(clash), err);
	if (r > 0)
		return err_set(err, ERR_USAGE, "%s: set another pool in the configuration", clash);
	return r;
}

static int ranges_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	if (host_ranges_reserve(host, err) < 0)
		return -1;
	SAY("uids %u to %u are reserved, the address pools are free", host->uid_base,
	    host->uid_base + host->slot_count - 1);
	return 0;
}

static int ranges_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	(void)host;
	if (host_ranges_release(err) < 0)
		return -1;
	SAY("nobody's any more");
	return 0;
}

/* ---- cgroup ---- */

static int cgroup_paths(char root[CGROUP_PATH_SIZE], char parent[CGROUP_PATH_SIZE],
			char keepers[CGROUP_PATH_SIZE], struct err *err)
{
	if (cgroup_find(root, err) < 0)
		return -1;
	if (snprintf(parent, CGROUP_PATH_SIZE, "%s/" CGROUP_PARENT, root) >= CGROUP_PATH_SIZE ||
	    snprintf(keepers, CGROUP_PATH_SIZE, "%s/" HOST_CGROUP_KEEPERS, parent) >=
		    CGROUP_PATH_SIZE)
		return err_set(err, ERR_FAILED, "%s: cgroup path too long", root);
	return 0;
}

/* Those that root hands down to its children, as words. */
static int read_controllers(const char *root, char words[CONTROLLERS_SIZE], struct err *err)
{
	char path[CGROUP_PATH_SIZE + 32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
	n = fd_read_file(AT_FDCWD, path, words, CONTROLLERS_SIZE - 1, err);
	if (n < 0)
		return -1;
	words[n] = '\0';
	words[strcspn(words, "\n")] = '\0';
	return 0;
}

static int note_controllers(const struct host_config *host, const char *root, struct err *err)
{
	char now[CONTROLLERS_SIZE];

	return read_controllers(root, now, err) < 0
		       ? -1
		       : host_state_note(host, err, "controllers %s", now);
}

static int make_cgroups(const struct host_config *host, uint32_t *missing, struct err *err)
{
	char root[CGROUP_PATH_SIZE], parent[CGROUP_PATH_SIZE], keepers[CGROUP_PATH_SIZE];
	int there;

	if (cgroup_paths(root, parent, keepers, err) < 0)
		return -1;
	there = paths_is_there(parent, err);
	if (there < 0 || (!there && note_controllers(host, root, err) < 0) ||
	    cgroup_parent_up(parent, missing, err) < 0)
		return -1;
	return cgroup_create(keepers, err) < 0 && err->code != ERR_EXISTS ? -1 : 0;
}

static int cgroup_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	uint32_t missing = 0;
	char names[64];
	int made;

	if (host_has_systemd()) {
		SAY("systemd's: sandboxes are units");
		return 0;
	}
	made = make_cgroups(host, &missing, err);
	if (made == 0 && missing == 0) {
		SAY("limits are enforced");
		return 0;
	}
	if (made == 0)
		(void)err_set(err, ERR_FAILED, "cgroup v2 has no %s here: limits are not enforced",
			      cgroup_names(missing, names, sizeof(names)));
	if (host->cgroup_required)
		return -1;
	SAY("%s", err->text);
	return 1;
}

/* Take the controllers that host up handed down from the root's children again; one still in use stays */
static int restore_controllers(const char *before, void *arg, struct err *err)
{
	static const char *const names[] = { "cpu", "memory", "pids", "io" };
	const char *root = arg;
	char path[CGROUP_PATH_SIZE + 32], word[16], now[CONTROLLERS_SIZE];

	(void)snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
	if (read_controllers(root, now, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_fd fd = -1;
		int n = snprintf(word, sizeof(word), "-%s", names[i]);

		if (str_has_word(before, names[i]) || !str_has_word(now, names[i]))
			continue;
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || (write(fd, word, (size_t)n) < 0 && errno != EBUSY))
			return err_sys(err, "%s: can't write \"%s\"", path, word);
	}
	return 0;
}

static int cgroup_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	char root[CGROUP_PATH_SIZE], parent[CGROUP_PATH_SIZE], keepers[CGROUP_PATH_SIZE];
	int there;

	if (cgroup_paths(root, parent, keepers, err) < 0) {
		SAY("none of mayfly's is there"); /* where no cgroup v2 is mounted */
		return err->os_errno != 0 ? -1 : 0;
	}
	there = paths_is_there(parent, err);
	if (there < 0 || (there && (cgroup_remove(keepers, 1000, err) < 0 ||
				    cgroup_parent_down(parent, err) < 0)))
		return -1;
	SAY("%s", there ? "gone" : "none of mayfly's is there");
	return host_state_each(host, "controllers", restore_controllers, root, err);
}

/* ---- network ---- */

static int gate_step_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	SAY("loaded");
	return gate_up(host, err);
}

static int gate_step_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	(void)host;
	SAY("gone");
	return gate_down(err);
}

static int forwarding_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	char off[SAID_SIZE];

	SAY("%s", host_sysctl_forwards(host, off, sizeof(off)) ? "is on" : "switched on");
	return host_sysctl_up(host, err);
}

static int forwarding_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	SAY("as host up had found it");
	return host_sysctl_down(host, err);
}

static int docker_up(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	int n = host_docker_up(err);

	(void)host;
	SAY("%s", n > 0 ? "lets mayfly's taps through" : "not here");
	return n < 0 ? -1 : 0;
}

static int docker_down(const struct host_config *host, char said[SAID_SIZE], struct err *err)
{
	(void)host;
	SAY("no rule of mayfly's in its chains");
	return host_docker_down(err);
}

/* ---- the table ---- */

/* The gate stands before forwarding is switched on, and until it is off again. */
static const struct {
	const char *name;
	host_step *up, *down;
} steps[] = {
	{ "directories", dirs_up, dirs_down },	  { "group", group_up, group_down },
	{ "ranges", ranges_up, ranges_down },	  { "cgroup", cgroup_up, cgroup_down },
	{ "gate", gate_step_up, gate_step_down }, { "forwarding", forwarding_up, forwarding_down },
	{ "Docker", docker_up, docker_down },
};

int host_up(const struct host_config *host, const struct sink *sink, struct err *err)
{
	if (plan_check(host, err) < 0)
		return -1;
	if (ranges_are_free(host, err) < 0)
		return err_wrap(err, "host up, ranges");
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		char said[SAID_SIZE] = "";
		int r = steps[i].up(host, said, err);

		if (r < 0)
			return err_wrap(err, "host up, %s", steps[i].name);
		sink_put(sink, CTL_ITEM, r > 0 ? ERR_FAILED : ERR_NONE, "%s: %s", steps[i].name,
			 said);
	}
	return 0;
}

struct running {
	const struct host_config *host;
	char names[256];
	size_t len;
	struct err unread; /* why it can't be told whether one runs */
};

static bool add_running(const char *id, void *arg)
{
	static struct store_entry entry; /* large, and this program has one thread */
	struct running *running = arg;
	char path[PATHS_SIZE];
	struct err unused;
	const char *name = id;
	int held = lock_look(paths_run(running->host, id, "lock", path), &unused);

	if (held < 0)
		running->unread = unused;
	if (held <= 0)
		return true;
	if (entry_load(running->host, id, &entry, &unused) == 0 && entry.has_spec)
		name = entry.spec.name;
	if (running->len + strlen(name) + 3 < sizeof(running->names))
		running->len += (size_t)sprintf(running->names + running->len, "%s%s",
						running->len ? ", " : "", name);
	return true;
}

int host_down(const struct host_config *host, bool force, const struct sink *sink, struct err *err)
{
	struct running running = { .host = host };
	int failed = 0, there;

	if (entry_each(host, add_running, &running, err) < 0)
		return -1;
	if (running.len > 0 && !force)
		return err_set(err, ERR_FAILED,
			       "sandboxes are running: %s; destroy them first, or add --force",
			       running.names);
	if (running.unread.code != ERR_NONE && !force) {
		*err = running.unread;
		return err_wrap(err, "whether a sandbox runs can't be told");
	}
	there = paths_is_there(host->state_dir, err);
	if (there < 0 || (there && host_state_begin(host, false, err) < 0))
		return -1;
	for (size_t i = ARRAY_SIZE(steps); i-- > 0;) {
		char said[SAID_SIZE] = "";

		if (i == 0 && failed > 0) /* the notes are still needed */
			break;
		if (steps[i].down(host, said, err) < 0) {
			failed++;
			sink_put(sink, CTL_ITEM, ERR_RESIDUE, "%s: %s", steps[i].name, err->text);
			continue;
		}
		if (said[0])
			sink_put(sink, CTL_ITEM, ERR_NONE, "%s: %s", steps[i].name, said);
	}
	return failed ? err_set(err, ERR_RESIDUE, "host down: %d step%s could not be undone",
				failed, failed == 1 ? "" : "s")
		      : 0;
}
