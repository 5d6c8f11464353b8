/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/hear.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"
#include "jail/enter.h"
#include "keeper/life.h"
#include "keeper/progress.h"
#include "store/journal.h"

/* Texts go to terminals, logs and the journal. from: size bytes, terminated or not. */
static void hear_text(char *out, size_t out_size, const char *from, size_t size)
{
	size_t n = strnlen(from, size < out_size ? size : out_size - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	out[n] = '\0';
}

/* ---- the guest ---- */

bool hear_guest(void *arg, uint32_t type, const void *payload, uint32_t len)
{
	struct keeper *k = arg;
	struct guest_end end;

	if (type == GUEST_READY && len == sizeof(struct guest_ready) && !k->life.guest_ready) {
		k->life.guest_ready = true;
		life_event(k, LIFE_GUEST_READY);
		return true;
	}
	if (type != GUEST_END || len != sizeof(end) || k->life.guest_end)
		return false;
	memcpy(&end, payload, sizeof(end));
	k->life.guest_end = end.reason;
	hear_text(k->life.guest_text, sizeof(k->life.guest_text), end.text, sizeof(end.text));
	return end.reason != 0;
}

/* ---- the monitor ---- */

struct hear_packet {
	struct launch_msg msg;
	union {
		struct launch_text text;
		struct launch_end end;
		struct launch_trap trap;
	};
};

/* A wall that this host doesn't have: the others stand without it, but it is said and written down. */
static void hear_weak_jail(struct keeper *k, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} weak[] = {
		{ JAIL_ENTER_NO_LANDLOCK, "this kernel has no Landlock: the jail goes without it" },
		{ JAIL_ENTER_USER_NAMESPACES, "the jail's limit of user namespaces can't be set: "
					      "its filters alone forbid them" },
	};
	struct err ignored;

	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		if (!(flags & weak[i].flag))
			continue;
		progress_tell(k, CTL_STEP, ERR_FAILED, weak[i].text);
		(void)journal_event(k->journal_fd, &ignored, "jail %s", weak[i].text);
	}
}

static bool hear_failed(struct keeper *k, const struct launch_text *text)
{
	if (k->life.state != LIFE_LAUNCHING || k->life.text[0])
		return false;
	hear_text(k->life.text, sizeof(k->life.text), text->text, sizeof(text->text));
	return k->life.text[0] != '\0';
}

static bool hear_end(struct keeper *k, const struct launch_end *end)
{
	if (k->life.launch_end)
		return false;
	k->life.launch_end = end->reason;
	k->life.launch_detail = end->detail;
	return end->reason != 0;
}

static bool hear_trap(struct keeper *k, const struct launch_trap *trap)
{
	if (k->life.trapped)
		return false;
	k->life.trapped = true;
	(void)snprintf(k->life.text, sizeof(k->life.text), "system call %u on thread %u",
		       trap->syscall, trap->thread);
	return true;
}

static bool hear_packet(struct keeper *k, const struct hear_packet *packet, size_t len)
{
	len -= sizeof(packet->msg);
	switch (packet->msg.type) {
	case LAUNCH_MSG_READY:
		if (len != 0 || k->life.state != LIFE_LAUNCHING)
			return false;
		hear_weak_jail(k, packet->msg.arg);
		life_event(k, LIFE_MONITOR_READY);
		return true;
	case LAUNCH_MSG_FAILED:
		return len == sizeof(packet->text) && hear_failed(k, &packet->text);
	case LAUNCH_MSG_END:
		return len == sizeof(packet->end) && hear_end(k, &packet->end);
	case LAUNCH_MSG_TRAP:
		return len == sizeof(packet->trap) && hear_trap(k, &packet->trap);
	default:
		return false;
	}
}

bool hear_monitor(struct keeper *k)
{
	struct hear_packet packet;
	ssize_t n;

	if (k->channel_fd < 0)
		return false;
	n = recv(k->channel_fd, &packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	/* it ended with packets of ours unread, which is told once, before what it said: that is still there */
	if (n < 0 && errno == ECONNRESET)
		n = recv(k->channel_fd, &packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && errno != ECONNRESET)
		return false;
	if (n <= 0) {
		fd_close(&k->channel_fd);
		return false;
	}
	if (n >= (ssize_t)sizeof(packet.msg) && hear_packet(k, &packet, (size_t)n)) {
		if (!k->life.launch_end && !k->life.trapped)
			return true;
		fd_close(&k->channel_fd); /* last words: what comes now is its exit */
		return false;
	}
	if (!k->life.text[0])
		(void)str_copy(k->life.text, sizeof(k->life.text), "the monitor talks nonsense");
	fd_close(&k->channel_fd);
	return false;
}
