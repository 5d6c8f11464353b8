/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Stands in for mayfly-vmm: speaks the launch channel and plays a guest's mayfly-init on the control stream, without KVM.
 * Words on the kernel's command line choose how it fails; a connection to one of the ports of `ends` ends it that way;
 * any other connection is told its port.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "base/proto/launch.h"

static int control = -1;
static bool flooding; /* the channel, with packets that come too late */
static struct launch_record record;
static struct {
	unsigned notices, deadlines; /* frames */
	struct guest_notice notice;  /* the latest */
	struct guest_deadline deadline;
} told; /* to the guest about its date; who connects to port 1020 reads it */

static void send_packet_arg(uint32_t type, uint32_t arg, const void *payload, size_t len)
{
	struct launch_msg msg = { .type = type, .arg = arg };
	unsigned char packet[sizeof(msg) + sizeof(struct launch_text)] = { 0 };

	memcpy(packet, &msg, sizeof(msg));
	if (len)
		memcpy(packet + sizeof(msg), payload, len);
	(void)send(LAUNCH_FD_CHANNEL, packet, sizeof(msg) + len, MSG_NOSIGNAL);
}

static void send_packet(uint32_t type, const void *payload, size_t len)
{
	send_packet_arg(type, 0, payload, len);
}

static void send_frame(uint32_t type, const void *payload, uint32_t len)
{
	struct guest_frame head = { .type = type, .len = len };

	(void)fd_write_all(control, &head, sizeof(head));
	(void)fd_write_all(control, payload, len);
}

static void guest_says(uint32_t reason, const char *text)
{
	struct guest_end end = { .reason = reason };

	(void)snprintf(end.text, sizeof(end.text), "%s", text);
	send_frame(GUEST_END, &end, sizeof(end));
}

static void end_with(uint32_t reason)
{
	struct launch_end end = { .reason = reason };

	send_packet(LAUNCH_MSG_END, &end, sizeof(end));
	_exit(0);
}

static bool word(const char *text)
{
	return strstr(record.cmdline, text) != NULL;
}

/* port: guest's word (0: none), monitor's word (0: none), signal */
static const struct {
	uint32_t port, guest, monitor;
	int signal;
} ends[] = {
	{ 1001, GUEST_END_POWEROFF, LAUNCH_END_RESET, 0 },
	{ 1002, GUEST_END_REBOOT, LAUNCH_END_RESET, 0 },
	{ 1003, GUEST_END_HALT, LAUNCH_END_RESET, 0 },
	{ 1004, 0, LAUNCH_END_RESET, 0 },
	{ 1005, 0, LAUNCH_END_HALTED, 0 },
	{ 1006, 0, LAUNCH_END_KVM_ERROR, 0 },
	{ 1007, 0, 0, SIGSEGV },
	{ 1008, 0, 0, SIGSYS },
	{ 1009, GUEST_END_DEADLINE, LAUNCH_END_RESET, 0 },
	{ 1010, GUEST_END_FAILED, LAUNCH_END_RESET, 0 },
};

static void maybe_end(uint32_t port)
{
	if (port == 1012) {
		guest_says(GUEST_END_POWEROFF, "\033[2J\n1 event gone destroyed\233");
		end_with(LAUNCH_END_RESET);
	}
	if (port == 1014) { /* says that it ends, and doesn't */
		struct launch_end end = { .reason = LAUNCH_END_HALTED };

		send_packet(LAUNCH_MSG_END, &end, sizeof(end));
		for (;;)
			(void)pause();
	}
	if (port == 1011) {
		struct launch_trap trap = { .syscall = 59, .thread = 1 };

		send_packet(LAUNCH_MSG_TRAP, &trap, sizeof(trap));
		_exit(31);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (ends[i].port != port)
			continue;
		if (ends[i].guest)
			guest_says(ends[i].guest, "its own wish");
		if (ends[i].monitor)
			end_with(ends[i].monitor);
		(void)signal(ends[i].signal, SIG_DFL);
		(void)kill(getpid(),
			   ends[i].signal); /* PID 1 of its namespace: only a real fault ends it */
		__builtin_trap();
	}
}

static void take_packet(void)
{
	union {
		struct launch_record record;
		char bytes[sizeof(struct launch_record)];
	} payload;
	char cbuf[CMSG_SPACE(sizeof(int))];
	struct launch_msg msg;
	struct iovec iov[2] = { { &msg, sizeof(msg) }, { &payload, sizeof(payload) } };
	struct msghdr hdr = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = cbuf, .msg_controllen = sizeof(cbuf)
	};
	struct cmsghdr *cmsg;
	int fd = -1;

	if (recvmsg(LAUNCH_FD_CHANNEL, &hdr, 0) <= 0)
		_exit(0); /* the keeper is dead */
	cmsg = CMSG_FIRSTHDR(&hdr);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (msg.type == LAUNCH_MSG_RECORD) {
		struct launch_text text = { .text = "told to fail" };

		record = payload.record;
		if (word("standin.fail"))
			send_packet(LAUNCH_MSG_FAILED, &text, sizeof(text));
		if (word("standin.fail") || word("standin.die"))
			_exit(1);
		if (!word("standin.mute") && !word("standin.late"))
			send_packet_arg(LAUNCH_MSG_READY, word("standin.weak") ? 3 : 0, NULL, 0);
	} else if (msg.type == LAUNCH_MSG_OFFER) {
		const struct guest_ready ready = { .version = GUEST_VERSION };

		control = fd;
		if (!word("standin.unready"))
			send_frame(GUEST_READY, &ready, sizeof(ready));
		if (word("standin.late")) { /* its guest is heard first */
			(void)usleep(300000);
			send_packet(LAUNCH_MSG_READY, NULL, 0);
		}
		if (word("standin.noise"))
			(void)fd_write_all(control, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	} else if (msg.type == LAUNCH_MSG_CONNECT) {
		char text[128];
		int n = snprintf(text, sizeof(text), "port %u\n", msg.arg);

		if (msg.arg == 1020)
			n = snprintf(text, sizeof(text), "%u %llu %lld %u %lld\n", told.notices,
				     (unsigned long long)told.notice.left_s,
				     (long long)told.notice.deadline_s, told.deadlines,
				     (long long)told.deadline.deadline_s);

		flooding |= msg.arg == 1013;
		maybe_end(msg.arg);
		(void)fd_write_all(fd, text, (size_t)n);
		(void)close(fd);
	}
}

static void take_frame(void)
{
	struct guest_frame head;
	char payload[256];

	if (fd_read_all(control, &head, sizeof(head)) < 0 || head.len > sizeof(payload) ||
	    fd_read_all(control, payload, head.len) < 0) {
		fd_close(&control);
		return;
	}
	if (head.type == GUEST_NOTICE && head.len == sizeof(told.notice)) {
		told.notices++;
		memcpy(&told.notice, payload, sizeof(told.notice));
	}
	if (head.type == GUEST_DEADLINE && head.len == sizeof(told.deadline)) {
		told.deadlines++;
		memcpy(&told.deadline, payload, sizeof(told.deadline));
	}
	if (head.type != GUEST_SHUTDOWN || word("standin.deaf"))
		return;
	guest_says(GUEST_END_SHUTDOWN, "");
	end_with(LAUNCH_END_RESET);
}

/* What a hostile guest, and a hostile monitor, say again and again; false: nothing. */
static bool chatter(void)
{
	static const struct {
		struct guest_frame head;
		struct guest_ready ready;
	} frame = { { GUEST_READY, sizeof(struct guest_ready) }, { GUEST_VERSION, 0 } };
	static const struct launch_msg ready = { .type = LAUNCH_MSG_READY };

	if (control < 0)
		return false;
	if (word("standin.chatter") &&
	    send(control, &frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EPIPE)
		fd_close(&control);
	if (flooding)
		(void)send(LAUNCH_FD_CHANNEL, &ready, sizeof(ready), MSG_DONTWAIT | MSG_NOSIGNAL);
	return word("standin.chatter") || flooding;
}

int main(void)
{
	for (;;) {
		bool stuck = control >= 0 && word("standin.stuck");
		struct pollfd fds[2] = {
			{ .fd = stuck ? -1 : LAUNCH_FD_CHANNEL, .events = POLLIN },
			{ .fd = control, .events = POLLIN },
		};

		(void)poll(fds, 2, chatter() ? 0 : -1);
		if (fds[0].revents)
			take_packet();
		if (fds[1].revents)
			take_frame();
	}
}
