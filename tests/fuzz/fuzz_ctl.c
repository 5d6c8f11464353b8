/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Clients of a keeper's control socket. Input: commands: come, go, send a packet (a good request
 * with changes, cut or lengthened), let the keeper look, and what happens to the sandbox meanwhile.
 * Life and date are the target's own: it is the socket's side that is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "keeper/date.h"
#include "keeper/keeper.h"
#include "keeper/life.h"
#include "keeper/serve.h"
#include "store/paths.h"

#define ID	  "0123456789abcdef"
#define N_CLIENTS (SERVE_MAX_CLIENTS + 4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_len;
static struct keeper k;
static int clients[N_CLIENTS];
static int monitor_fd;

static uint8_t next(void)
{
	if (input_len == 0)
		return 0;
	input_len--;
	return *input++;
}

void life_event(struct keeper *keeper, enum life_event event)
{
	BUG_ON(keeper != &k || (event != LIFE_DESTROY && event != LIFE_DESTROY_NOW &&
				event != LIFE_STOP && event != LIFE_STOP_NOW));
	k.life.state = LIFE_STOPPING;
}

int date_renew(struct keeper *keeper, int64_t deadline_s, const char *who, const char *reason,
	       struct err *err)
{
	BUG_ON(keeper != &k);
	return deadline_s % 2 == 0 ? 0 : err_set(err, ERR_USAGE, "%s: %s", who, reason);
}

static void clean_up(void)
{
	char path[PATHS_SIZE];

	(void)unlink(paths_run(&k.spec.host, ID, "ctl.sock", path));
	(void)rmdir(paths_run(&k.spec.host, ID, NULL, path));
	(void)rmdir(k.spec.host.run_dir);
}

/* Once: a socket in a directory of our own. */
static void open_socket(void)
{
	char path[PATHS_SIZE], dir[] = "/tmp/mayfly-fuzz-XXXXXX";
	const struct group *group = getgrgid(getegid());
	struct err err;
	int pair[2];

	BUG_ON(mkdtemp(dir) == NULL || group == NULL);
	(void)str_copy(k.spec.host.run_dir, sizeof(k.spec.host.run_dir), dir);
	(void)str_copy(k.spec.host.group, sizeof(k.spec.host.group), group->gr_name);
	(void)str_copy(k.spec.id, sizeof(k.spec.id), ID);
	(void)str_copy(k.spec.name, sizeof(k.spec.name), "fuzz");
	BUG_ON(mkdir(paths_run(&k.spec.host, ID, NULL, path), 0700) < 0);
	(void)atexit(clean_up);
	k.journal_fd = -1;
	serve_init(&k.serve);
	BUG_ON(serve_open(&k, &err) < 0);
	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	k.channel_fd = pair[0];
	monitor_fd = pair[1];
	for (size_t i = 0; i < N_CLIENTS; i++)
		clients[i] = -1;
}

/* Take packets, and close the descriptors that come along. */
static ssize_t receive(int fd, void *buf, size_t size)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	int passed;

	if (cmsg != NULL) {
		memcpy(&passed, CMSG_DATA(cmsg), sizeof(passed));
		fd_close(&passed);
	}
	return n;
}

static void read_answers(int fd)
{
	struct ctl_record record;
	ssize_t n;

	while ((n = receive(fd, &record, sizeof(record))) > 0) {
		BUG_ON(n != sizeof(record));
		BUG_ON(record.type < CTL_OK || record.type > CTL_ENDED);
		BUG_ON(strnlen(record.text, sizeof(record.text)) == sizeof(record.text));
		BUG_ON(strcmp(record.id, ID) != 0);
	}
}

static void look(void)
{
	struct pollfd fds[SERVE_POLL_FDS];
	struct launch_msg msg;

	serve_poll(&k.serve, fds);
	if (poll(fds, SERVE_POLL_FDS, 0) > 0)
		serve_handle(&k, fds);
	while (receive(monitor_fd, &msg, sizeof(msg)) > 0)
		BUG_ON(msg.type != LAUNCH_MSG_CONNECT && msg.type != LAUNCH_MSG_CONSOLE &&
		       msg.type != LAUNCH_MSG_CONSOLE_SIZE && msg.type != LAUNCH_MSG_BALLOON);
}

static void come(int *client)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[PATHS_SIZE];

	fd_close(client);
	*client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)str_copy(sa.sun_path, sizeof(sa.sun_path),
		       paths_run(&k.spec.host, ID, "ctl.sock", path));
	if (connect(*client, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		fd_close(client);
	look();
}

static void ask(int fd)
{
	struct {
		struct ctl_request request;
		uint8_t more[16];
	} packet = { .request = { .version = CTL_VERSION, .who = "me", .reason = "because" } };
	size_t len = sizeof(packet.request), n;

	packet.request.type = next() % 10u;
	packet.request.deadline_s = next();
	packet.request.force = next() & 1;
	for (n = next() % 4u; n > 0; n--)
		((uint8_t *)&packet)[next()] = next();
	if (next() >= 192)
		len = next() + 8u;
	(void)send(fd, &packet, len, MSG_NOSIGNAL);
}

static void finish(void)
{
	struct err residue = { .code = ERR_RESIDUE, .text = "residue" };

	serve_finish(&k, next() % 16u, (next() & 1) != 0 ? "in words" : "",
		     (next() & 1) != 0 ? &residue : NULL);
	for (size_t i = 0; i < SERVE_MAX_CLIENTS; i++)
		BUG_ON(k.serve.clients[i].fd >= 0);
}

static void command(void)
{
	uint8_t what = next();
	int *client = &clients[next() % N_CLIENTS];

	switch (what % 8) {
	case 0:
	case 1:
		come(client);
		break;
	case 2:
		fd_close(client);
		break;
	case 3:
		read_answers(*client);
		break;
	case 4:
		k.life.state = next() % LIFE_STATES;
		break;
	default:
		ask(*client);
		if (what >= 64)
			look();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (k.spec.id[0] == '\0')
		open_socket();
	input = data;
	input_len = size;
	k.life.state = LIFE_RUNNING;
	while (input_len > 0)
		command();
	look();
	finish();
	for (size_t i = 0; i < N_CLIENTS; i++) {
		read_answers(clients[i]);
		fd_close(&clients[i]);
	}
	return 0;
}
