/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/host_sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "base/id.h"
#include "keeper/host_state.h"

#define ROOT	   "/proc/sys/net/"
#define CONF4	   "ipv4/conf"
#define CONF6	   "ipv6/conf"
#define SWITCH4	   "ipv4/ip_forward"
#define SWITCH6	   "ipv6/conf/all/forwarding"
#define PATH_SIZE  256
#define VALUE_SIZE 32

/* Names are below /proc/sys/net. 1; 0: not there; -1 with err: can't be told. */
static int get(const char *name, char value[VALUE_SIZE], struct err *err)
{
	char path[PATH_SIZE];
	ssize_t n;

	(void)snprintf(path, sizeof(path), ROOT "%s", name);
	n = fd_read_file(AT_FDCWD, path, value, VALUE_SIZE - 1, err);
	value[n < 0 ? 0 : n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	if (n < 0)
		return err->os_errno == ENOENT ? 0 : -1;
	return n > 0;
}

/* 1; 0: another, or not there; -1 with err: can't be told. */
static int is(const char *name, const char *wanted, struct err *err)
{
	char value[VALUE_SIZE];
	int r = get(name, value, err);

	return r <= 0 ? r : strcmp(value, wanted) == 0;
}

/* Absence is success: the interface has gone. */
static int put(const char *name, const char *value, struct err *err)
{
	char path[PATH_SIZE];
	auto_fd fd = -1;

	(void)snprintf(path, sizeof(path), ROOT "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return err_sys(err, "can't write %s to %s", value, path);
	return 0;
}

static int note(const struct host_config *host, const char *name, struct err *err)
{
	char value[VALUE_SIZE];
	int r = get(name, value, err);

	return r > 0 ? host_state_note(host, err, "sysctl %s %s", name, value) : r;
}

/* ---- each interface ---- */

typedef int interface_step(const struct host_config *host, const char *conf, const char *interface,
			   struct err *err);

static int each_interface(const struct host_config *host, const char *conf, interface_step *step,
			  struct err *err)
{
	char path[PATH_SIZE];
	const struct dirent *entry;
	DIR *dir;
	int r = 0, more = 0;

	(void)snprintf(path, sizeof(path), ROOT "%s", conf);
	dir = opendir(path);
	if (!dir)
		return err_sys(err, "can't open %s", path);
	while (r == 0 && (more = dir_next(dir, &entry, err)) > 0)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "all") != 0)
			r = step(host, conf, entry->d_name, err);
	(void)closedir(dir);
	return more < 0 ? err_wrap(err, "%s", path) : r;
}

static int note_forwarding(const struct host_config *host, const char *conf, const char *interface,
			   struct err *err)
{
	char name[PATH_SIZE];

	(void)snprintf(name, sizeof(name), "%s/%s/forwarding", conf, interface);
	return note(host, name, err);
}

static int keep_hearing_routers(const struct host_config *host, const char *conf,
				const char *interface, struct err *err)
{
	char accept_ra[PATH_SIZE], forwarding[PATH_SIZE];
	char hears[VALUE_SIZE], forwards[VALUE_SIZE] = "";
	int r;

	if (strcmp(interface, "default") == 0 || strcmp(interface, "lo") == 0 ||
	    strncmp(interface, ID_TAP_PREFIX, strlen(ID_TAP_PREFIX)) == 0)
		return 0;
	(void)snprintf(accept_ra, sizeof(accept_ra), "%s/%s/accept_ra", conf, interface);
	(void)snprintf(forwarding, sizeof(forwarding), "%s/%s/forwarding", conf, interface);
	r = get(accept_ra, hears, err);
	if (r > 0)
		r = get(forwarding, forwards, err);
	if (r <= 0 || strcmp(hears, "1") != 0 || strcmp(forwards, "0") != 0)
		return r < 0 ? -1 : 0;
	return note(host, accept_ra, err) < 0 ? -1 : put(accept_ra, "2", err);
}

/* ---- up and down ---- */

/* Noted in this order, restored in the reverse: the switch first, then what it has overwritten. */
static int forward_ipv4(const struct host_config *host, struct err *err)
{
	int on = is(SWITCH4, "1", err);

	if (on)
		return on < 0 ? -1 : 0;
	if (each_interface(host, CONF4, note_forwarding, err) < 0 ||
	    note(host, CONF4 "/all/accept_redirects", err) < 0 || note(host, SWITCH4, err) < 0)
		return -1;
	return put(SWITCH4, "1", err);
}

static int forward_ipv6(const struct host_config *host, struct err *err)
{
	int on = is(SWITCH6, "1", err);

	if (on)
		return on < 0 ? -1 : 0;
	if (each_interface(host, CONF6, keep_hearing_routers, err) < 0 ||
	    each_interface(host, CONF6, note_forwarding, err) < 0 || note(host, SWITCH6, err) < 0)
		return -1;
	return put(SWITCH6, "1", err);
}

int host_sysctl_up(const struct host_config *host, struct err *err)
{
	if (forward_ipv4(host, err) < 0)
		return -1;
	return host->ipv6 ? forward_ipv6(host, err) : 0;
}

static int restore(const char *rest, void *arg, struct err *err)
{
	char name[PATH_SIZE], value[VALUE_SIZE];

	(void)arg;
	if (sscanf(rest, "%255s %31s", name, value) != 2)
		return err_set(err, ERR_FAILED,
			       "the host's state has a line that is not ours: sysctl %s", rest);
	return is(name, value, err) > 0 ? 0 : put(name, value, err);
}

int host_sysctl_down(const struct host_config *host, struct err *err)
{
	return host_state_each(host, "sysctl", restore, NULL, err);
}

int host_sysctl_forwards(const struct host_config *host, char *text, size_t size)
{
	struct err unused;
	const char *off = is(SWITCH4, "1", &unused) <= 0 ? "net.ipv4.ip_forward" : NULL;

	if (!off && host->ipv6 && is(SWITCH6, "1", &unused) <= 0)
		off = "net.ipv6.conf.all.forwarding";
	(void)snprintf(text, size, "%s%s", off ? off : "forwarding is on", off ? " is 0" : "");
	return !off;
}
