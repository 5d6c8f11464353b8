/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What a monitor says before it ends is heard, whatever of ours it leaves unread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/hear.h"
#include "keeper/life.h"

static struct keeper keeper;
static int monitor;

static int setup(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	memset(&keeper, 0, sizeof(keeper));
	keeper.life.state = LIFE_LAUNCHING;
	keeper.channel_fd = pair[0];
	monitor = pair[1];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (keeper.channel_fd >= 0)
		(void)close(keeper.channel_fd);
	return 0;
}

static void say(uint32_t type, const void *payload, size_t len)
{
	const struct launch_msg msg = { .type = type };
	uint8_t packet[1024];

	assert_true(sizeof(msg) + len <= sizeof(packet));
	memcpy(packet, &msg, sizeof(msg));
	memcpy(packet + sizeof(msg), payload, len);
	assert_int_equal(send(monitor, packet, sizeof(msg) + len, 0), sizeof(msg) + len);
}

/* The kernel tells the peer that its end threw something away before it gives it what that end had said. */
static void leave_unread_and_end(void)
{
	assert_int_equal(send(keeper.channel_fd, "unread", 6, 0), 6);
	(void)close(monitor);
}

static void why_it_failed(void **state)
{
	struct launch_text text = { .text = "kernel: not an ELF file" };

	(void)state;
	say(LAUNCH_MSG_FAILED, &text, sizeof(text));
	leave_unread_and_end();
	while (hear_monitor(&keeper))
		;
	assert_string_equal(keeper.life.text, "kernel: not an ELF file");
	assert_int_equal(keeper.channel_fd, -1);
}

static void how_the_guest_ended(void **state)
{
	const struct launch_end end = { .reason = LAUNCH_END_RESET };

	(void)state;
	keeper.life.state = LIFE_RUNNING;
	say(LAUNCH_MSG_END, &end, sizeof(end));
	leave_unread_and_end();
	while (hear_monitor(&keeper))
		;
	assert_int_equal(keeper.life.launch_end, LAUNCH_END_RESET);
	assert_int_equal(keeper.channel_fd, -1);
}

static void nothing(void **state)
{
	(void)state;
	leave_unread_and_end();
	assert_false(hear_monitor(&keeper));
	assert_int_equal(keeper.channel_fd, -1);
	assert_string_equal(keeper.life.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(why_it_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(how_the_guest_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
