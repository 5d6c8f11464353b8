/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/date.h"
#include "keeper/keeper.h"
#include "keeper/life.h"
#include "keeper/pass.h"
#include "keeper/progress.h"
#include "store/journal.h"
#include "store/paths.h"
#include "store/status.h"

#define SERVE_BACKLOG 16

void serve_init(struct serve *serve)
{
	serve->listen_fd = -1;
	for (size_t i = 0; i < SERVE_MAX_CLIENTS; i++)
		serve->clients[i] = (struct serve_client){ .fd = -1 };
}

int serve_open(struct keeper *k, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[PATHS_SIZE];
	auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct group *group = getgrnam(k->spec.host.group);
	struct stat st, sock;

	if (!group)
		return err_set(err, ERR_FAILED, "there is no group %s; run: mayfly host up",
			       k->spec.host.group);
	if (!str_copy(sa.sun_path, sizeof(sa.sun_path),
		      paths_run(&k->spec.host, k->spec.id, "ctl.sock", path)))
		return err_set(err, ERR_USAGE,
			       "%s is too long for a socket's path; choose a shorter run_dir",
			       path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(err, "can't bind %s", path);
	/* nobody but root can reach it before listen */
	if (chown(path, 0, group->gr_gid) < 0 || chmod(path, 0660) < 0)
		return err_sys(err, "can't give %s to group %s", path, k->spec.host.group);
	if (listen(fd, SERVE_BACKLOG) < 0)
		return err_sys(err, "can't listen on %s", path);
	if (stat(path, &st) < 0 || fstat(fd, &sock) < 0)
		return err_sys(err, "can't look at %s", path);
	/* what steps_identity does: this file is tested without it */
	(void)snprintf(k->identity, sizeof(k->identity), "socket=%llu dev=%llu ino=%llu",
		       (unsigned long long)sock.st_ino, (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	k->serve.listen_fd = fd_take(&fd);
	return 0;
}

void serve_close_listener(struct serve *serve)
{
	fd_close(&serve->listen_fd);
}

void serve_poll(const struct serve *serve, struct pollfd fds[SERVE_POLL_FDS])
{
	fds[0] = (struct pollfd){ .fd = serve->listen_fd, .events = POLLIN };
	for (size_t i = 0; i < SERVE_MAX_CLIENTS; i++)
		fds[1 + i] = (struct pollfd){ .fd = serve->clients[i].fd, .events = POLLIN };
}

static void serve_drop(struct serve_client *client)
{
	fd_close(&client->fd);
	*client = (struct serve_client){ .fd = -1 };
}

static void serve_answer(struct keeper *k, struct serve_client *client, uint32_t type,
			 uint32_t code, const char *text, int pass)
{
	struct ctl_record record = progress_record(k->spec.id, k->spec.name, type, code, text);

	if (client->fd >= 0 && pass_send(client->fd, &record, sizeof(record), pass) < 0)
		serve_drop(client);
}

/* Root's, that waits for an end it has asked for, counts more than one that only waits. */
static int serve_rank(const struct serve_client *client)
{
	return client->wants_end + client->destroy;
}

/* Whom it costs least: nobody, one that asked for nothing, one that waits, one that ends it; the earliest of those. */
static struct serve_client *serve_place(struct serve *serve)
{
	struct serve_client *best = &serve->clients[0];

	for (size_t i = 0; i < SERVE_MAX_CLIENTS; i++) {
		struct serve_client *client = &serve->clients[i];

		if (client->fd < 0)
			return client;
		if (serve_rank(client) < serve_rank(best) ||
		    (serve_rank(client) == serve_rank(best) && client->since < best->since))
			best = client;
	}
	serve_drop(best);
	return best;
}

static void serve_accept(struct serve *serve)
{
	auto_fd fd = accept4(serve->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct serve_client *place;

	if (fd < 0)
		return;
	place = serve_place(serve);
	*place = (struct serve_client){ .fd = fd_take(&fd), .since = ++serve->came };
}

/* ---- requests ---- */

/* Members of the group reach the guest; when it ends is root's to say. What a request says of itself may be false, so
 * it is the kernel that is asked whose process this is. */
static bool serve_is_root(struct keeper *k, struct serve_client *client)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == 0)
		return true;
	serve_answer(k, client, CTL_ERROR, ERR_FAILED, "that needs root", -1);
	return false;
}

static void serve_not_running(struct keeper *k, struct serve_client *client)
{
	serve_answer(k, client, CTL_ERROR, ERR_FAILED,
		     k->life.state < LIFE_RUNNING ? "it is starting: try again" : "it is ending",
		     -1);
}

static void serve_renew(struct keeper *k, struct serve_client *client,
			const struct ctl_request *request)
{
	struct err err;

	if (!serve_is_root(k, client))
		return;
	if (k->life.state != LIFE_RUNNING)
		serve_not_running(k, client);
	else if (date_renew(k, request->deadline_s, request->who, request->reason, &err) < 0)
		serve_answer(k, client, CTL_ERROR, (uint32_t)err.code, err.text, -1);
	else
		serve_answer(k, client, CTL_OK, 0, "", -1);
}

/* The monitor gets one end of a stream with this message, the client the other. */
static void serve_stream(struct keeper *k, struct serve_client *client, uint32_t type, uint32_t arg)
{
	struct launch_msg msg = { .type = type, .arg = arg };
	int pair[2];

	if (k->life.state != LIFE_RUNNING &&
	    !(k->life.state == LIFE_STARTING && type == LAUNCH_MSG_CONSOLE)) {
		serve_not_running(k, client);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		serve_answer(k, client, CTL_ERROR, ERR_FAILED, "too many connections", -1);
		return;
	}
	/* the monitor's end alone never blocks; each end has a description of its own */
	if (fcntl(pair[1], F_SETFL, O_NONBLOCK) < 0 ||
	    pass_send(k->channel_fd, &msg, sizeof(msg), pair[1]) < 0)
		serve_answer(k, client, CTL_ERROR, ERR_FAILED,
			     "the monitor does not take connections", -1);
	else
		serve_answer(k, client, CTL_OK, 0, "", pair[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* Forwarded, not remembered: what the guest gives back, and when, is the guest's. */
static void serve_balloon(struct keeper *k, struct serve_client *client,
			  const struct ctl_request *request)
{
	struct launch_msg msg = { .type = LAUNCH_MSG_BALLOON, .arg = request->port };

	if (!serve_is_root(k, client))
		return;
	if (k->life.state != LIFE_RUNNING)
		serve_not_running(k, client);
	else if (request->port > k->spec.memory_bytes >> 20)
		serve_answer(k, client, CTL_ERROR, ERR_USAGE,
			     "that is more than its memory; give less to the balloon", -1);
	else if (pass_send(k->channel_fd, &msg, sizeof(msg), -1) < 0)
		serve_answer(k, client, CTL_ERROR, ERR_FAILED, "the monitor does not listen", -1);
	else
		serve_answer(k, client, CTL_OK, 0, "", -1);
}

static void serve_console_size(struct keeper *k, struct serve_client *client, uint32_t size)
{
	const struct launch_msg msg = { .type = LAUNCH_MSG_CONSOLE_SIZE, .arg = size };

	if (pass_send(k->channel_fd, &msg, sizeof(msg), -1) < 0)
		serve_answer(k, client, CTL_ERROR, ERR_FAILED, "the monitor does not listen", -1);
	else
		serve_answer(k, client, CTL_OK, 0, "", -1);
}

static void serve_destroy(struct keeper *k, struct serve_client *client,
			  const struct ctl_request *request)
{
	if (!serve_is_root(k, client))
		return;
	client->wants_end = true;
	client->destroy = true;
	life_event(k, request->force ? LIFE_DESTROY_NOW : LIFE_DESTROY);
}

/* Who asks for an end is told once nothing runs any more, and what couldn't be cleared. */
static void serve_stop(struct keeper *k, struct serve_client *client,
		       const struct ctl_request *request)
{
	if (!serve_is_root(k, client))
		return;
	client->wants_end = true;
	client->destroy = true;
	if (request->timeout_s > 0 && k->life.state != LIFE_STOPPING)
		k->life.patience_s = request->timeout_s;
	life_event(k, request->force ? LIFE_STOP_NOW : LIFE_STOP);
}

static bool serve_is_valid(const struct ctl_request *request, ssize_t len)
{
	return len == (ssize_t)sizeof(*request) && request->version == CTL_VERSION &&
	       strnlen(request->who, sizeof(request->who)) < sizeof(request->who) &&
	       strnlen(request->reason, sizeof(request->reason)) < sizeof(request->reason);
}

static void serve_request(struct keeper *k, struct serve_client *client)
{
	struct ctl_request request;
	ssize_t n = recv(client->fd, &request, sizeof(request), MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		serve_drop(client);
		return;
	}
	if (!serve_is_valid(&request, n)) {
		serve_answer(k, client, CTL_ERROR, ERR_USAGE, CTL_OTHER_VERSION, -1);
		return;
	}
	switch (request.type) {
	case CTL_RENEW:
		serve_renew(k, client, &request);
		break;
	case CTL_DESTROY:
		serve_destroy(k, client, &request);
		break;
	case CTL_STOP:
		serve_stop(k, client, &request);
		break;
	case CTL_CONNECT:
		serve_stream(k, client, LAUNCH_MSG_CONNECT, request.port);
		break;
	case CTL_CONSOLE:
		serve_stream(k, client, LAUNCH_MSG_CONSOLE, 0);
		break;
	case CTL_CONSOLE_SIZE:
		serve_console_size(k, client, request.port);
		break;
	case CTL_BALLOON:
		serve_balloon(k, client, &request);
		break;
	case CTL_WAIT:
		client->wants_end = true;
		break;
	default:
		serve_answer(k, client, CTL_ERROR, ERR_USAGE, "unknown request", -1);
	}
}

void serve_handle(struct keeper *k, const struct pollfd fds[SERVE_POLL_FDS])
{
	for (size_t i = 0; i < SERVE_MAX_CLIENTS; i++)
		if (fds[1 + i].revents && fds[1 + i].fd == k->serve.clients[i].fd)
			serve_request(k, &k->serve.clients[i]);
	if (fds[0].revents && k->serve.listen_fd >= 0)
		serve_accept(&k->serve);
}

void serve_finish(struct keeper *k, uint32_t reason, const char *text, const struct err *residue)
{
	char told[sizeof(k->life.text) + 32];

	(void)snprintf(told, sizeof(told), "%s%s%s", status_reason_word(reason),
		       text[0] ? ": " : "", text);
	for (size_t i = 0; i < SERVE_MAX_CLIENTS; i++) {
		struct serve_client *client = &k->serve.clients[i];

		if (client->wants_end)
			serve_answer(k, client, CTL_ENDED, reason, told, -1);
		if (client->destroy && residue)
			serve_answer(k, client, CTL_ERROR, (uint32_t)residue->code, residue->text,
				     -1);
		else if (client->wants_end)
			serve_answer(k, client, CTL_OK, 0, "", -1);
		serve_drop(client);
	}
}
