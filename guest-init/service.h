/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_SERVICE_H
#define GUEST_INIT_SERVICE_H

#include <sys/types.h>

/*
 * What listens: ssh on TCP and vsock (an sshd -i for each connection, none while nobody is there) and the exec service.
 * PID 1 owns the listening sockets and forks for each connection.
 */
enum service_kind { SERVICE_SSH_TCP, SERVICE_SSH_VSOCK, SERVICE_EXEC, SERVICE_KINDS };

/* Open all listening sockets into fds[SERVICE_KINDS]; -1 where it failed, which is said on the console. */
void service_listen(int fds[SERVICE_KINDS]);

/* A listening socket is readable: accept and serve one connection. At most SERVICE_MAX_CHILDREN of a kind run at
 * a time; what comes above that, and on vsock what isn't the host, is closed at once. */
void service_accept(enum service_kind kind, int listen_fd);

/* A child of PID 1 has been reaped; when it was a connection's, another may be served. */
void service_child_gone(pid_t pid);

#define SERVICE_MAX_CHILDREN 128

#endif
