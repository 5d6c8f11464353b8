/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What /proc shows: processes, namespaces, mounts, sockets, sysctls. */
#include "inventory/inventory.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"

typedef void process_fn(struct inventory *inventory, const char *pid);

static int each_process(struct inventory *inventory, process_fn *look, struct err *err)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int r;

	if (proc == NULL)
		return err_sys(err, "/proc");
	while ((r = dir_next(proc, &entry, err)) > 0) {
		if (isdigit((unsigned char)entry->d_name[0]))
			look(inventory, entry->d_name);
	}
	(void)closedir(proc);
	return r;
}

/* comm, flags and starttime of /proc/PID/stat; false when the process is gone or a kernel thread. */
static bool read_stat(const char *pid, char comm[64], unsigned long long *start)
{
	char path[300], text[1024];
	const char *open_paren, *close_paren;
	unsigned long flags;
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	open_paren = strchr(text, '(');
	close_paren = strrchr(text, ')');
	if (open_paren == NULL || close_paren == NULL ||
	    sscanf(close_paren + 2,
		   "%*c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   &flags, start) != 2)
		return false;
	(void)snprintf(comm, 64, "%.*s", (int)(close_paren - open_paren - 1), open_paren + 1);
	return (flags & 0x00200000ul) == 0; /* PF_KTHREAD */
}

static void one_process(struct inventory *inventory, const char *pid)
{
	unsigned long long start;
	struct stat st;
	char path[300], comm[64];

	(void)snprintf(path, sizeof(path), "/proc/%s", pid);
	if (atoi(pid) == getpid() || stat(path, &st) < 0 || !read_stat(pid, comm, &start))
		return;
	inventory_add(inventory, "process", "%s %s uid %u start %llu", pid, comm, st.st_uid, start);
}

int inventory_processes(struct inventory *inventory, struct err *err)
{
	return each_process(inventory, one_process, err);
}

static void namespaces_of(struct inventory *inventory, const char *pid)
{
	static const char *const kinds[] = { "cgroup", "ipc",  "mnt", "net",
					     "pid",    "user", "uts", "time" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[300], name[64];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, kinds[i]);
		n = readlink(path, name, sizeof(name) - 1);
		if (n > 0) {
			name[n] = '\0';
			inventory_add(inventory, "namespace", "%s", name);
		}
	}
}

int inventory_namespaces(struct inventory *inventory, struct err *err)
{
	return each_process(inventory, namespaces_of, err);
}

int inventory_mounts(struct inventory *inventory, struct err *err)
{
	char line[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re");

	if (f == NULL)
		return err_sys(err, "/proc/self/mountinfo");
	while (fgets(line, sizeof(line), f) != NULL) {
		char root[1024], point[1024];

		/* a bind of a namespace (ip netns) shows here as well: its root names the namespace */
		if (sscanf(line, "%*d %*d %*s %1023s %1023s", root, point) == 2)
			inventory_add(inventory, "mount", "%s root %s", point, root);
	}
	(void)fclose(f);
	return 0;
}

/* Rows of a /proc/net table of IP sockets: what listens, or is bound without a peer. */
static void ip_sockets(struct inventory *inventory, const char *table)
{
	char path[64], line[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/net/%s", table);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		char local[80];
		unsigned int state, uid;

		if (sscanf(line, " %*d: %79s %*s %x %*s %*s %*s %u", local, &state, &uid) != 3)
			continue;
		if (state == 0x0a ||
		    state == 0x07) /* TCP_LISTEN; unconnected datagram sockets say TCP_CLOSE */
			inventory_add(inventory, "socket", "%s %s uid %u", table, local, uid);
	}
	(void)fclose(f);
}

static void unix_sockets(struct inventory *inventory)
{
	char line[512];
	FILE *f = fopen("/proc/net/unix", "re");

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		char path[256];
		unsigned int flags;

		if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %255s", &flags, path) == 2 &&
		    (flags & 0x10000))
			inventory_add(inventory, "socket", "unix %s",
				      path); /* 0x10000: __SO_ACCEPTCON */
	}
	(void)fclose(f);
}

int inventory_sockets(struct inventory *inventory, struct err *err)
{
	static const char *const tables[] = { "tcp", "tcp6", "udp", "udp6", "raw", "raw6" };

	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		ip_sockets(inventory, tables[i]);
	unix_sockets(inventory);
	return 0;
}

int inventory_sysctls(struct inventory *inventory, struct err *err)
{
	static const char *const names[] = { "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
					     "net/ipv6/conf/default/forwarding" };

	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[128], value[32] = "";
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(value, sizeof(value), f) != NULL)
			inventory_add(inventory, "sysctl", "%s %.*s", names[i],
				      (int)strcspn(value, "\n"), value);
		(void)fclose(f);
	}
	return 0;
}
