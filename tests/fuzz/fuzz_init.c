/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What mayfly-init is told. Input: one byte for the way it comes (0: its configuration, 1: the
 * control stream, 2: a command of the exec service), then its bytes.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/bug.h"
#include "base/fd.h"
#include "guest-init/command.h"
#include "guest-init/config.h"
#include "guest-init/control.h"

#define MAX_INPUT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t sink; /* so that every text is read */

static void read_config(const uint8_t *data, size_t size)
{
	auto_fd fd = memfd_create("config", MFD_CLOEXEC);
	struct config config;
	const char *why = NULL;
	char path[32];

	BUG_ON(fd < 0 || fd_write_all(fd, data, size) < 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &config, &why) < 0) {
		BUG_ON(why == NULL);
		return;
	}
	BUG_ON(sizeof(config.record) + config.record.authorized_keys_len +
		       config.record.host_key_len >
	       size);
	sink = strlen(config.record.hostname) + strlen(config.record.account);
	if (config.record.host_key_len > 0)
		sink += (size_t)config.host_key[config.record.host_key_len - 1];
}

static void read_control(const uint8_t *data, size_t size)
{
	struct control_request request;
	int pair[2];

	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0);
	BUG_ON(fd_write_all(pair[1], data, size) < 0 || shutdown(pair[1], SHUT_WR) < 0);
	(void)control_ready(pair[0]);
	while (control_receive(pair[0], &request))
		BUG_ON(request.type < GUEST_SHUTDOWN || request.type > GUEST_NOTICE);
	control_end(pair[0], GUEST_END_SHUTDOWN, "the stream ended");
	fd_close(&pair[1]);
}

static void read_command(const uint8_t *data, size_t size)
{
	static struct command command;
	char *bytes = malloc(size);
	size_t n = 0;

	BUG_ON(bytes == NULL);
	memcpy(bytes, data, size);
	if (command_parse(bytes, size, &command)) {
		BUG_ON(command.args[0] == NULL);
		n = strlen(command.user) + strlen(command.cwd);
		for (size_t i = 0; command.args[i] != NULL; i++)
			n += strlen(command.args[i]);
		for (size_t i = 0; command.envs[i] != NULL; i++)
			n += strlen(command.envs[i]);
		BUG_ON(n > size);
	}
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > MAX_INPUT)
		return 0;
	switch (data[0] % 3) {
	case 0:
		read_config(data + 1, size - 1);
		break;
	case 1:
		read_control(data + 1, size - 1);
		break;
	default:
		read_command(data + 1, size - 1);
	}
	return 0;
}
