/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What a guest tells the host: on its control stream to the keeper, and as the agent of `mayfly
 * exec`. Input: one byte (the lowest bit: which; the others: how many bytes come at a time; for the
 * agent also whether signals come, and whether they are passed on), then what the guest sends.
 */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/agent.h"
#include "keeper/control.h"

#define MAX_INPUT   65536
#define MAX_PACKETS 32
#define MAX_SIGNALS 4

static int kept_open = -1;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	size_t bytes;
	uint32_t sum;
};

static bool take_frame(void *arg, uint32_t type, const void *payload, uint32_t len)
{
	struct seen *seen = arg;

	BUG_ON(len > GUEST_FRAME_MAX);
	seen->bytes += sizeof(struct guest_frame) + len;
	for (uint32_t i = 0; i < len; i++)
		seen->sum += ((const uint8_t *)payload)[i];
	return type != GUEST_END;
}

static void talk_to_keeper(const uint8_t *data, size_t size, size_t step)
{
	const struct guest_shutdown shutdown = { .timeout_s = 1 };
	static struct control control;
	struct seen seen = { 0 };
	struct err err;
	int guest;

	BUG_ON(control_open(&control, &guest, &err) < 0);
	for (size_t at = 0; at < size && control.fd >= 0; at += step) {
		size_t n = size - at < step ? size - at : step;

		BUG_ON(fd_write_all(guest, data + at, n) < 0);
		control_read(&control, take_frame, &seen);
	}
	BUG_ON(seen.bytes > size);
	(void)control_send(&control, GUEST_SHUTDOWN, &shutdown, sizeof(shutdown));
	fd_close(&guest);
	(void)control_send(&control, GUEST_SHUTDOWN, &shutdown, sizeof(shutdown));
	control_read(&control, take_frame, &seen);
	control_close(&control);
}

/* Signals as a signalfd tells them, chosen by the first bytes that the guest sends. */
static int make_signals(const uint8_t *data, size_t size)
{
	static const uint32_t numbers[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP };
	int ends[2];

	BUG_ON(pipe2(ends, O_CLOEXEC) < 0);
	for (size_t i = 0; i < size && i < MAX_SIGNALS; i++) {
		struct signalfd_siginfo info = { .ssi_signo = numbers[data[i] & 3] };

		BUG_ON(fd_write_all(ends[1], &info, sizeof(info)) < 0);
	}
	/* the other end stays: a signalfd has no end of file */
	kept_open = ends[1];
	return ends[0];
}

static void talk_to_exec(const uint8_t *data, size_t size, size_t step, uint8_t bits)
{
	char *const args[] = { (char[]){ "true" }, NULL };
	const char *const envs[] = { "A=b", NULL };
	const struct agent_command command = { .user = "", .cwd = "/", .args = args, .envs = envs };
	auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd in = memfd_create("stdin", MFD_CLOEXEC);
	auto_fd signals = (bits & 4) != 0 ? make_signals(data, size) : -1;
	struct agent_streams streams = {
		.in = in,
		.out = null,
		.err = null,
		.stop = -1,
		.signals = signals,
		.terminal = null,
		.pass_signals = (bits & 2) != 0,
	};
	struct err err = { 0 };
	int pair[2], rc;

	BUG_ON(null < 0 || in < 0 || fd_write_all(in, data, size) < 0);
	BUG_ON(lseek(in, 0, SEEK_SET) != 0);
	/* packets, so that it takes several rounds to hear it all */
	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0);
	for (size_t at = 0, n = 0; at < size && n < MAX_PACKETS; at += step, n++) {
		size_t len = n == MAX_PACKETS - 1 || size - at < step ? size - at : step;

		BUG_ON(send(pair[1], data + at, len, 0) != (ssize_t)len);
	}
	BUG_ON(shutdown(pair[1], SHUT_WR) < 0);
	rc = agent_exec(pair[0], &command, &streams, &err);
	BUG_ON(rc < -1 || rc > 255 || (rc < 0 && err.text[0] == '\0'));
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	fd_close(&kept_open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > MAX_INPUT)
		return 0;
	if ((data[0] & 1) == 0)
		talk_to_keeper(data + 1, size - 1, 1u + data[0] * 16u);
	else
		talk_to_exec(data + 1, size - 1, 1u + (data[0] >> 3) * 16u, data[0]);
	return 0;
}
