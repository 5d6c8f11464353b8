/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Each kind is listed whole, from the kernel or from the directory, and each object is asked for its mark: the id in a
 * name, a uid, a packet mark. Whether that sandbox lives is asked of its lock, after the object was seen: a lock is taken
 * before the first object is made and let go after the last one is gone. Between the two an end may have come, so only what
 * two looks have seen is told.
 */
#include "keeper/audit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/str.h"
#include "jail/cgroup.h"
#include "jail/proc.h"
#include "keeper/conntrack.h"
#include "keeper/netlink.h"
#include "keeper/ruleset.h"
#include "store/entry.h"
#include "store/lock.h"
#include "store/paths.h"

#define AUDIT_MAX	 4096 /* objects of one look; more are counted as one line */
#define AUDIT_BETWEEN_US 300000

struct audit_list {
	size_t n;
	struct {
		char kind[24];
		char text[256];
	} items[AUDIT_MAX];
};

void audit_add(struct audit *audit, const char *kind, const char *fmt, ...)
{
	struct audit_list *list = audit->found;
	va_list args;

	if (list->n == AUDIT_MAX)
		return;
	va_start(args, fmt);
	(void)snprintf(list->items[list->n].kind, sizeof(list->items[0].kind), "%s", kind);
	(void)vsnprintf(list->items[list->n].text, sizeof(list->items[0].text), fmt, args);
	va_end(args);
	list->n++;
}

/* ---- who lives ---- */

static bool audit_lives(const struct audit *audit, const char *id)
{
	char path[PATHS_SIZE];

	return id_is_valid(id) && lock_is_held(paths_run(audit->host, id, "lock", path));
}

static bool audit_slot_lives(const struct audit *audit, uint32_t slot)
{
	char path[PATHS_SIZE];

	return slot < audit->host->slot_count && lock_is_held(paths_slot(audit->host, slot, path));
}

/* ---- kernel objects ---- */

/* "mayfly ID NAME": the id; false when it isn't of that form. */
static bool audit_id_of_alias(const char *alias, char id[ID_SIZE])
{
	if (!alias || strncmp(alias, "mayfly ", 7) != 0 || strlen(alias) < 7 + ID_LEN)
		return false;
	(void)snprintf(id, ID_SIZE, "%.*s", ID_LEN, alias + 7);
	return id_is_valid(id);
}

void audit_blind(struct audit *audit, const struct err *err)
{
	if (audit->blind.code == ERR_NONE)
		audit->blind = *err;
}

/* Each entry of a directory, which may be absent. */
static void audit_each(struct audit *audit, const char *path,
		       void (*look)(struct audit *audit, const char *path, const char *name))
{
	DIR *dir = opendir(path);
	const struct dirent *d;
	struct err err;
	int r;

	if (!dir) {
		if (errno != ENOENT) {
			(void)err_sys(&err, "can't read %s", path);
			audit_blind(audit, &err);
		}
		return;
	}
	while ((r = dir_next(dir, &d, &err)) > 0)
		look(audit, path, d->d_name);
	(void)closedir(dir);
	if (r < 0)
		audit_blind(audit, &err);
}

static void audit_links(struct audit *audit)
{
	struct err err = { 0 };
	struct nl_sock *sock = netlink_open(NETLINK_ROUTE, &err);
	struct nl_cache *cache = NULL;
	char id[ID_SIZE];
	int r = sock ? rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache) : 0;

	if (r < 0)
		(void)err_set(&err, ERR_FAILED, "can't list interfaces: %s", nl_geterror(r));
	if (err.code != ERR_NONE)
		audit_blind(audit, &err);
	for (struct nl_object *o = cache ? nl_cache_get_first(cache) : NULL; o;
	     o = nl_cache_get_next(o)) {
		struct rtnl_link *link = (struct rtnl_link *)o;
		const char *name = rtnl_link_get_name(link), *type = rtnl_link_get_type(link);

		if (audit_id_of_alias(rtnl_link_get_ifalias(link), id)) {
			if (!audit_lives(audit, id))
				audit_add(audit, "tap", "%s ifindex %d of %s", name,
					  rtnl_link_get_ifindex(link), id);
		} else if (type && strcmp(type, "tun") == 0) {
			audit_add(audit, "foreign tap", "%s ifindex %d", name,
				  rtnl_link_get_ifindex(link));
		}
	}
	nl_cache_free(cache);
	nl_socket_free(sock);
}

static void audit_table(const char *name, void *arg)
{
	struct audit *audit = arg;
	char id[ID_SIZE], own[ID_NAME_SIZE];

	(void)snprintf(id, sizeof(id), "%s", strlen(name) > 7 ? name + 7 : "");
	if (!id_is_valid(id))
		return;
	id_table(id, own);
	if (strcmp(own, name) == 0 && !audit_lives(audit, id))
		audit_add(audit, "table", "netdev %s of %s", name, id);
}

static void audit_tables(struct audit *audit)
{
	struct err err;

	if (ruleset_each_table(NFPROTO_NETDEV, audit_table, audit, &err) < 0)
		audit_blind(audit, &err);
}

static void audit_cgroup(struct audit *audit, const char *path, const char *name)
{
	if (id_is_valid(name) && !audit_lives(audit, name))
		audit_add(audit, "cgroup", "%s/%s", path, name);
}

static void audit_cgroups(struct audit *audit)
{
	char mount[CGROUP_PATH_SIZE], path[CGROUP_PATH_SIZE + 16];
	struct err err;

	if (cgroup_find(mount, &err) < 0) {
		if (err.os_errno != 0) /* else there is none on this host */
			audit_blind(audit, &err);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/" CGROUP_PARENT, mount);
	audit_each(audit, path, audit_cgroup);
}

static bool audit_process(pid_t pid, uint32_t uid, void *arg)
{
	struct audit *audit = arg;

	if (!audit_slot_lives(audit, uid - audit->host->uid_base))
		audit_add(audit, "process", "pid %d of uid %u", pid, uid);
	return true;
}

static void audit_processes(struct audit *audit)
{
	struct err err;

	if (proc_each_of_uids(audit->host->uid_base, audit->host->slot_count, audit_process, audit,
			      &err) < 0)
		audit_blind(audit, &err);
}

static void audit_flow(uint32_t mark, void *arg)
{
	struct audit *audit = arg;
	uint32_t slot = mark - audit->host->mark_base;

	if (!audit_slot_lives(audit, slot))
		audit_add(audit, "flow", "conntrack mark 0x%08x of slot %u", mark, slot);
}

static void audit_flows(struct audit *audit)
{
	struct err err;

	if (conntrack_each(audit->host->mark_base, audit->host->mark_mask, audit_flow, audit,
			   &err) < 0)
		audit_blind(audit, &err);
}

/* ---- files ---- */

static bool audit_entry(const char *id, void *arg)
{
	static struct store_entry entry;
	struct audit *audit = arg;
	struct err err;

	if (entry_load(audit->host, id, &entry, &err) < 0) {
		if (err.code != ERR_NOT_FOUND)
			audit_add(audit, "sandbox", "%s can't be read: %s", id, err.text);
	} else if (entry.unread.code != ERR_NONE) {
		audit_add(audit, "sandbox", "%s can't be read: %s", id, entry.unread.text);
	} else if (entry.state == STORE_QUARANTINED) {
		audit_add(audit, "sandbox", "%s (%s) is quarantined: %.150s", id,
			  entry.has_spec ? entry.spec.name : "no spec", entry.residue);
	} else if (entry.state == STORE_BROKEN || entry.state == STORE_EXPIRED) {
		audit_add(audit, "sandbox", "%s (%s) is %s: mayfly reap", id,
			  entry.has_spec ? entry.spec.name : "no spec",
			  entry_state_word(entry.state));
	}
	explicit_bzero(&entry, sizeof(entry));
	return true;
}

static void audit_name(struct audit *audit, const char *path, const char *name)
{
	char link[PATHS_SIZE + NAME_MAX + 2];

	(void)snprintf(link, sizeof(link), "%s/%s", path, name);
	if (name[0] != '.' && access(link, F_OK) < 0)
		audit_add(audit, "name", "%s leads to nothing", name);
}

static void audit_slots(struct audit *audit)
{
	char path[PATHS_SIZE], dir[PATHS_SIZE];
	struct err err;

	for (uint32_t slot = 0; slot < audit->host->slot_count; slot++) {
		char id[ID_SIZE] = "";
		ssize_t n = fd_read_file(AT_FDCWD, paths_slot(audit->host, slot, path), id, ID_LEN,
					 &err);

		if (n < 0 && err.os_errno != ENOENT && err.os_errno != EFBIG)
			audit_blind(audit, &err);
		if (n != ID_LEN || audit_slot_lives(audit, slot) || audit_lives(audit, id))
			continue;
		audit_add(audit, "slot", "%u is kept for %s%s", slot, id_is_valid(id) ? id : "?",
			  access(paths_sandbox(audit->host, id, NULL, dir), F_OK) == 0
				  ? ""
				  : ", which is gone");
	}
}

static void audit_files(struct audit *audit)
{
	char path[PATHS_SIZE];
	struct err err;

	if (entry_each(audit->host, audit_entry, audit, &err) < 0)
		audit_blind(audit, &err);
	audit_each(audit, paths_state(audit->host, "names", path), audit_name);
	audit_slots(audit);
}

/* ---- the run ---- */

static void (*const audit_kinds[])(struct audit *audit) = {
	audit_links, audit_tables, audit_cgroups,  audit_processes,
	audit_flows, audit_files,  audit_accounts, audit_listeners,
};

/* Sandboxes and slots bear their number first; what is said of them may change meanwhile. */
static bool audit_same(const char *kind, const char *a, const char *b)
{
	size_t len = strcspn(a, " ");

	if (strcmp(kind, "sandbox") == 0 || strcmp(kind, "slot") == 0)
		return strncmp(a, b, len) == 0 && strcspn(b, " ") == len;
	return strcmp(a, b) == 0;
}

static bool audit_has(const struct audit_list *list, const char *kind, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i].kind, kind) == 0 &&
		    audit_same(kind, list->items[i].text, text))
			return true;
	return false;
}

static int audit_tell(const struct sink *sink, const struct audit_list *first,
		      const struct audit_list *second)
{
	int left = 0;

	for (size_t i = 0; i < second->n; i++) {
		const char *kind = second->items[i].kind, *text = second->items[i].text;
		bool foreign = strncmp(kind, "foreign ", 8) == 0;
		struct ctl_record record = { .type = foreign ? CTL_NOTE : CTL_ITEM,
					     .code = foreign ? 0 : ERR_RESIDUE };

		if (!audit_has(first, kind, text))
			continue;
		left += !foreign;
		(void)str_copy(record.name, sizeof(record.name), foreign ? kind + 8 : kind);
		(void)str_copy(record.text, sizeof(record.text), text);
		if (sink && sink->put)
			sink->put(sink->arg, &record);
	}
	return left;
}

int audit_run(const struct host_config *host, const struct sink *sink, struct err *err)
{
	struct audit_list *looks = calloc(2, sizeof(*looks));
	int left;

	if (!looks)
		return err_sys(err, "can't look");
	for (size_t look = 0; look < 2; look++) {
		struct audit audit = { .host = host, .sink = sink, .found = &looks[look] };

		if (look > 0)
			(void)usleep(AUDIT_BETWEEN_US);
		for (size_t i = 0; i < ARRAY_SIZE(audit_kinds); i++)
			audit_kinds[i](&audit);
		if (audit.blind.code != ERR_NONE) {
			free(looks);
			*err = audit.blind;
			return err_wrap(err, "nothing can be said");
		}
	}
	left = audit_tell(sink, &looks[0], &looks[1]);
	if (looks[1].n == AUDIT_MAX)
		sink_put(sink, CTL_NOTE, 0, "there is more than the first %d", AUDIT_MAX);
	free(looks);
	return left;
}
