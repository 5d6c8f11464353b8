/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What no sandbox made: the accounts and open ports that a host collects when projects are let in without an end. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/dir.h"
#include "base/fd.h"
#include "keeper/audit.h"

#define AUDIT_KEY_LINES                                                                            \
	4096 /* of a file that its user may have made as long as he likes, holes and all */

/* What errno says kept it from reading path; but for what is none of the host's failures: `but` of these errnos, ended by 0. */
static void audit_unread(struct audit *audit, const char *path, const int *but)
{
	struct err err;

	for (; *but; but++)
		if (errno == *but)
			return;
	(void)err_sys(&err, "can't read %s", path);
	audit_blind(audit, &err);
}

static const int none[] = { 0 };
/* It isn't there. */
static const int absent[] = { ENOENT, 0 };
/* Or it ended while we looked, or is kept even from root: who holds a socket is unknown then, in each look. */
static const int gone[] = { ENOENT, ESRCH, EACCES, EPERM, 0 };

/* ---- accounts ---- */

static bool audit_can_log_in(const struct passwd *pw)
{
	static const char *const closed[] = { "/nologin", "/false", "/sync", "/shutdown", "/halt" };
	size_t len = strlen(pw->pw_shell);

	for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
		size_t n = strlen(closed[i]);

		if (len >= n && strcmp(pw->pw_shell + len - n, closed[i]) == 0)
			return false;
	}
	return true;
}

/* A home directory is its user's, who makes of it what he likes: only what is the host's own failure counts. */
static bool audit_is_failure(int os_errno)
{
	return os_errno == EIO || os_errno == ENOMEM || os_errno == EMFILE || os_errno == ENFILE;
}

/* Lines of authorized_keys that hold a key; nothing in a home directory is waited for. */
static void audit_keys(struct audit *audit, const struct passwd *pw)
{
	static const char *const names[] = { "authorized_keys", "authorized_keys2" };
	char path[512], line[8192];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned keys = 0;
		struct stat st;
		FILE *file;
		int fd;

		(void)snprintf(path, sizeof(path), "%s/.ssh/%s", pw->pw_dir, names[i]);
		errno = 0;
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
			fd_close(&fd);
		file = fd >= 0 ? fdopen(fd, "r") : NULL;
		if (!file && audit_is_failure(errno))
			audit_unread(audit, path, none);
		if (!file)
			fd_close(&fd);
		for (unsigned n = 0; n < AUDIT_KEY_LINES && file && fgets(line, sizeof(line), file);
		     n++)
			keys += strncmp(line + strspn(line, " \t"), "#", 1) != 0 &&
				line[strspn(line, " \t\r\n")] != '\0';
		if (file && ferror(file) && audit_is_failure(errno))
			audit_unread(audit, path, none);
		if (file)
			(void)fclose(file);
		if (keys > 0)
			audit_add(audit, "foreign keys", "%s: %u of %s", path, keys, pw->pw_name);
	}
}

void audit_accounts(struct audit *audit)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	if (!file)
		audit_unread(audit, "/etc/passwd", absent);
	while (file && (pw = fgetpwent(file))) {
		audit_keys(audit, pw);
		if (pw->pw_uid >= 1000 && pw->pw_uid != 65534 && audit_can_log_in(pw))
			audit_add(audit, "foreign account", "%s uid %u shell %s", pw->pw_name,
				  pw->pw_uid, pw->pw_shell);
	}
	if (file && !feof(file))
		audit_unread(audit, "/etc/passwd", none);
	if (file)
		(void)fclose(file);
}

/* ---- listeners ---- */

struct owner {
	unsigned long inode;
	char program[32];
};

struct owners {
	size_t n, room;
	struct owner *list;
};

static void audit_own(struct owners *owners, unsigned long inode, const char *program)
{
	if (owners->n == owners->room) {
		size_t room = owners->room ? 2 * owners->room : 256;
		struct owner *list = reallocarray(owners->list, room, sizeof(*list));

		if (!list)
			return; /* its program stays unknown */
		owners->list = list;
		owners->room = room;
	}
	owners->list[owners->n].inode = inode;
	(void)snprintf(owners->list[owners->n].program, sizeof(owners->list[0].program), "%s",
		       program);
	owners->n++;
}

/* Which program holds which socket. */
static void audit_sockets_of(struct audit *audit, struct owners *owners, const char *pid)
{
	char path[300], link[64], program[32] = "";
	const struct dirent *d;
	unsigned long inode;
	struct err err;
	DIR *dir;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	/* a kernel worker's may be longer: it says what it works at */
	if (fd_read_file(AT_FDCWD, path, program, sizeof(program) - 1, &err) < 0 &&
	    err.os_errno != EFBIG) {
		errno = err.os_errno;
		audit_unread(audit, path, gone);
		return;
	}
	program[strcspn(program, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir) {
		audit_unread(audit, path, gone);
		return;
	}
	while ((r = dir_next(dir, &d, &err)) > 0) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		if (n < 0)
			audit_unread(audit, path, gone);
		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%lu]", &inode) == 1)
			audit_own(owners, inode, program);
	}
	if (r < 0) {
		errno = err.os_errno;
		audit_unread(audit, path, gone);
	}
	(void)closedir(dir);
}

static const char *audit_program(const struct owners *owners, unsigned long inode)
{
	for (size_t i = 0; i < owners->n; i++)
		if (owners->list[i].inode == inode)
			return owners->list[i].program;
	return "?";
}

/* Words of 32 bits in host byte order, as /proc/net prints them. */
static bool audit_address(const char *hex, char *out, size_t size)
{
	uint32_t words[4];
	size_t n = strlen(hex) / 8;

	if (n != 1 && n != 4)
		return false;
	for (size_t i = 0; i < n; i++)
		if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
			return false;
	return inet_ntop(n == 1 ? AF_INET : AF_INET6, words, out, (socklen_t)size) != NULL;
}

static void audit_socket_table(struct audit *audit, const struct owners *owners, const char *name,
			       unsigned open_state)
{
	char path[64], line[512], hex[40], address[INET6_ADDRSTRLEN];
	unsigned port, state, uid;
	unsigned long inode;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/net/%s", name);
	file = fopen(path, "re");
	if (!file) /* absent: a host without IPv6 */
		audit_unread(audit, path, absent);
	while (file && fgets(line, sizeof(line), file)) {
		const char *program;

		if (sscanf(line, " %*d: %39[0-9A-F]:%x %*s %x %*s %*s %*s %u %*u %lu", hex, &port,
			   &state, &uid, &inode) != 5 ||
		    state != open_state || !audit_address(hex, address, sizeof(address)))
			continue;
		program = audit_program(owners, inode);
		if (strncmp(program, "mayfly-keeper", 13) != 0)
			audit_add(audit, "foreign listener", "%s %s port %u by %s uid %u", name,
				  address, port, program, uid);
	}
	if (file && ferror(file))
		audit_unread(audit, path, none);
	if (file)
		(void)fclose(file);
}

void audit_listeners(struct audit *audit)
{
	struct owners owners = { 0 };
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	struct err err = { 0 };
	int r = 0;

	if (!proc)
		audit_unread(audit, "/proc", absent);
	while (proc && (r = dir_next(proc, &d, &err)) > 0)
		if (isdigit((unsigned char)d->d_name[0]))
			audit_sockets_of(audit, &owners, d->d_name);
	if (r < 0)
		audit_blind(audit, &err);
	if (proc)
		(void)closedir(proc);
	/* include/net/tcp_states.h: TCP_LISTEN; a datagram socket without a peer says TCP_CLOSE */
	audit_socket_table(audit, &owners, "tcp", 10);
	audit_socket_table(audit, &owners, "tcp6", 10);
	audit_socket_table(audit, &owners, "udp", 7);
	audit_socket_table(audit, &owners, "udp6", 7);
	free(owners.list);
}
