/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What a guest tells the host: on its control stream to the keeper, and as the agent of `mayfly
 * exec`. Input: one byte (the lowest bit: which; the others: how many bytes come at a time), then
 * what the guest sends.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/agent.h"
#include "keeper/control.h"

#define MAX_INPUT 65536

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

static void talk_to_exec(const uint8_t *data, size_t size)
{
	char *const args[] = { (char[]){ "true" }, NULL };
	const char *const envs[] = { "A=b", NULL };
	const struct agent_command command = { .user = "", .cwd = "/", .args = args, .envs = envs };
	auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd in = memfd_create("stdin", MFD_CLOEXEC);
	struct agent_streams streams = {
		.in = in, .out = null, .err = null, .stop = -1, .signals = -1
	};
	struct err err = { 0 };
	int pair[2], rc;

	BUG_ON(null < 0 || in < 0 || fd_write_all(in, data, size) < 0);
	BUG_ON(lseek(in, 0, SEEK_SET) != 0);
	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0);
	BUG_ON(fd_write_all(pair[1], data, size) < 0 || shutdown(pair[1], SHUT_WR) < 0);
	rc = agent_exec(pair[0], &command, &streams, &err);
	BUG_ON(rc < -1 || rc > 255 || (rc < 0 && err.text[0] == '\0'));
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > MAX_INPUT)
		return 0;
	if ((data[0] & 1) == 0)
		talk_to_keeper(data + 1, size - 1, 1u + data[0] * 16u);
	else
		talk_to_exec(data + 1, size - 1);
	return 0;
}
