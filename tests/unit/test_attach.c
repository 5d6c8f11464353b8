/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Who is attached to the console: the test plays the keeper's end of the stream, and the driver. */
#include "tests/unit/support/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/monitor/attach.h"

static struct driver d;
static struct console console;
static struct attach attach;
static int far; /* the user's end */

static void backend_write(void *ctx, const struct iovec *iov, int n)
{
	attach_output(ctx, iov, n);
}

static const struct console_backend backend = { .write = backend_write };

static int new_stream(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	attach_take(&attach, pair[1]);
	return pair[0];
}

static int setup(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN); /* as the monitor has it */
	driver_init(&d);
	console_init(&console, &d.mem, driver_irq(&d), &backend, &attach);
	driver_start(&d, &console.dev, F_BASE, 16);
	attach_init(&attach);
	far = new_stream();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	attach_take(&attach, -1);
	(void)close(far);
	driver_fini(&d);
	return 0;
}

static void write_from_guest(gpa_t from, uint32_t len)
{
	(void)ADD(&d, 1, { from, len, false });
	driver_kick(&d, CONSOLE_QUEUE_TX);
}

static void output_reaches_the_stream(void **state)
{
	char back[16] = "";

	(void)state;
	write_from_guest(driver_bytes(&d, "hello", 5), 5);
	assert_int_equal(read(far, back, sizeof(back)), 5);
	assert_string_equal(back, "hello");
}

static void a_reader_that_does_not_read(void **state)
{
	char back[4096];
	size_t n = 0;
	ssize_t got;

	(void)state;
	for (int i = 0; i < 200; i++)
		write_from_guest(0, LOW_LEN);
	assert_true(attach.fd >= 0);
	while ((got = read(far, back, sizeof(back))) > 0)
		n += (size_t)got;
	assert_true(n > 0 && n < 200 * (size_t)LOW_LEN); /* the rest is dropped */
	write_from_guest(driver_bytes(&d, "on", 2), 2);
	assert_int_equal(read(far, back, sizeof(back)), 2);
}

static void a_reader_that_is_gone(void **state)
{
	(void)state;
	(void)close(far);
	write_from_guest(driver_bytes(&d, "hello", 5), 5);
	assert_int_equal(attach.fd, -1);
	assert_false(attach_wants_input(&attach));
	write_from_guest(driver_bytes(&d, "hello", 5), 5);
	far = new_stream();
}

static void input_waits_for_room(void **state)
{
	gpa_t room = driver_alloc(&d, 8);

	(void)state;
	assert_int_equal(write(far, "abcdef", 6), 6);
	assert_true(attach_wants_input(&attach));
	attach_readable(&attach);
	attach_deliver(&attach, &console);
	assert_false(attach_wants_input(&attach)); /* the guest has no buffer: no more is read */
	(void)ADD(&d, 0, { room, 4, true });
	attach_deliver(&attach, &console);
	assert_memory_equal(driver_ptr(&d, room, 4), "abcd", 4);
	assert_false(attach_wants_input(&attach));
	(void)ADD(&d, 0, { room, 4, true });
	attach_deliver(&attach, &console);
	assert_memory_equal(driver_ptr(&d, room, 2), "ef", 2);
	assert_true(attach_wants_input(&attach));
}

static void input_is_bounded(void **state)
{
	static const char many[ATTACH_TYPED * 3];

	(void)state;
	assert_int_equal(write(far, many, sizeof(many)), sizeof(many));
	attach_readable(&attach);
	attach_readable(&attach); /* nothing is overwritten */
	assert_int_equal(attach.typed_len, ATTACH_TYPED);
	assert_int_equal(attach.typed_at, 0);
}

static void end_of_stream(void **state)
{
	(void)state;
	assert_int_equal(shutdown(far, SHUT_WR), 0);
	attach_readable(&attach);
	assert_int_equal(attach.fd, -1);
	attach_readable(&attach); /* an event of before */
}

static void a_second_one_takes_over(void **state)
{
	int second;
	char c;

	(void)state;
	assert_int_equal(write(far, "rm -rf", 6), 6);
	attach_readable(&attach);
	second = new_stream();
	assert_int_equal(read(far, &c, 1), 0);
	assert_true(attach_wants_input(&attach)); /* what the first had typed is forgotten */
	write_from_guest(driver_bytes(&d, "x", 1), 1);
	assert_int_equal(read(second, &c, 1), 1);
	(void)close(second);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(output_reaches_the_stream), T(a_reader_that_does_not_read),
		T(a_reader_that_is_gone),     T(input_waits_for_room),
		T(input_is_bounded),	      T(end_of_stream),
		T(a_second_one_takes_over),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
