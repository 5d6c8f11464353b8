/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/service.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "guest-init/account.h"
#include "guest-init/exec.h"
#include "guest-init/say.h"
#include "guest-init/spawn.h"
#include "guest-init/until.h"

/* 0: free. Each kind has its own, so that strangers on TCP can't use up the host's way in. */
static pid_t service_children[SERVICE_KINDS][SERVICE_MAX_CHILDREN];

static int listen_on(int fd, const struct sockaddr *address, socklen_t len)
{
	const int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, address, len) < 0 || listen(fd, 64) < 0) {
		say("can't listen: %s", err_errno_text(errno));
		fd_close(&fd);
	}
	return fd;
}

static int listen_tcp(uint16_t port)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	return listen_on(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
			 (struct sockaddr *)&any6, sizeof(any6));
}

static int listen_vsock(uint32_t port)
{
	struct sockaddr_vm any = { .svm_family = AF_VSOCK,
				   .svm_cid = VMADDR_CID_ANY,
				   .svm_port = port };

	return listen_on(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
			 (struct sockaddr *)&any, sizeof(any));
}

void service_listen(int fds[SERVICE_KINDS])
{
	fds[SERVICE_SSH_TCP] = listen_tcp(GUEST_PORT_SSH);
	fds[SERVICE_SSH_VSOCK] = listen_vsock(GUEST_PORT_SSH);
	fds[SERVICE_EXEC] = listen_vsock(GUEST_PORT_EXEC);
}

static pid_t *find_child(enum service_kind kind, pid_t pid)
{
	for (size_t i = 0; i < SERVICE_MAX_CHILDREN; i++) {
		if (service_children[kind][i] == pid)
			return &service_children[kind][i];
	}
	return NULL;
}

/* What listens on vsock is the host's alone, above all the exec service, which asks for no key: a kernel with a loopback
 * transport would let every account in here connect too. */
static bool comes_from_host(enum service_kind kind, const struct sockaddr_vm *peer)
{
	return kind == SERVICE_SSH_TCP || peer->svm_cid == VMADDR_CID_HOST;
}

static _Noreturn void run_sshd(int connection)
{
	char until[64];

	(void)snprintf(until, sizeof(until), "SetEnv=%s=%s", UNTIL_VARIABLE, until_text());
	if (dup2(connection, STDIN_FILENO) < 0 || dup2(connection, STDOUT_FILENO) < 0)
		_exit(126);
	(void)execl("/usr/sbin/sshd", "sshd", "-i", "-e", "-o", "LogLevel=ERROR", "-o", until, "-f",
		    ACCOUNT_SSHD_CONFIG, (char *)NULL);
	say("/usr/sbin/sshd: %s", err_errno_text(errno));
	_exit(127);
}

void service_accept(enum service_kind kind, int listen_fd)
{
	union {
		struct sockaddr_in6 tcp;
		struct sockaddr_vm vsock;
	} peer = { .vsock.svm_cid = VMADDR_CID_ANY };
	socklen_t len = sizeof(peer);
	auto_fd connection = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	pid_t *child = find_child(kind, 0);
	pid_t pid;

	if (connection < 0 || child == NULL || !comes_from_host(kind, &peer.vsock))
		return;
	if (kind != SERVICE_EXEC)
		until_refresh(); /* a login shows what is left now */
	pid = spawn_fork(&connection);
	if (pid == 0) {
		if (kind == SERVICE_EXEC)
			exec_serve(connection);
		run_sshd(connection);
	}
	if (pid > 0)
		*child = pid;
}

void service_child_gone(pid_t pid)
{
	for (int kind = 0; kind < SERVICE_KINDS; kind++) {
		pid_t *child = find_child((enum service_kind)kind, pid);

		if (child != NULL)
			*child = 0;
	}
}
