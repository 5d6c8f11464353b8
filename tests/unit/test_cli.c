/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What the CLI decides and prints without a keeper: lives, resolvers, clean texts, tables, JSON,
 * frames of an agent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "cli/agent.h"
#include "cli/copy.h"
#include "cli/entryview.h"
#include "cli/life.h"
#include "cli/resolv.h"
#include "cli/text.h"
#include "keeper/plan.h"

#define NOW 1796144400 /* 2026-12-01T17:00:00Z */
#define DAY 86400

static void test_life(void **state)
{
	static const struct {
		struct life life;
		int64_t deadline; /* 0: refused */
		bool by_default;
		const char *why;
	} cases[] = {
		{ { NULL, NULL }, NOW + 7 * DAY, true, NULL },
		{ { "1s", NULL }, NOW + 1, false, NULL },
		{ { "90d", NULL }, NOW + 90 * DAY, false, NULL },
		{ { NULL, "2026-12-01T17:00:01Z" }, NOW + 1, false, NULL },
		{ { "91d", NULL }, 0, false, "[site] max_ttl = \"90d\" refuses --ttl 91d" },
		{ { "-5d", NULL }, 0, false, "--ttl -5d: not a life" },
		{ { "0s", NULL }, 0, false, "not a life" },
		{ { "", NULL }, 0, false, "not a life" },
		{ { "9999999999999d", NULL }, 0, false, "refuses --ttl 9999999999999d" },
		{ { NULL, "2026-12-01T17:00Z" }, 0, false, "in the past" },
		{ { NULL, "1999-01-01" }, 0, false, "in the past" },
		{ { NULL, "2027-12-01" },
		  0,
		  false,
		  "[site] max_ttl = \"90d\" refuses --until 2027-12-01" },
		{ { NULL, "soon" }, 0, false, "not a date" },
		{ { "1d", "2026-12-02" }, 0, false, "give one of them" },
	};
	struct config config;

	(void)state;
	config_defaults(&config, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		int64_t deadline = 0;
		bool by_default;
		int rc = life_deadline(&cases[i].life, &config, NOW, &deadline, &by_default, &err);

		assert_int_equal(rc, cases[i].deadline != 0 ? 0 : -1);
		if (rc == 0) {
			assert_int_equal(deadline, cases[i].deadline);
			assert_int_equal(by_default, cases[i].by_default);
		} else if (err.code != ERR_USAGE || strstr(err.text, cases[i].why) == NULL) {
			fail_msg("%s", err.text);
		}
	}
}

static void test_resolvers(void **state)
{
	char out[SPEC_MAX_RESOLVERS][46];

	(void)state;
	assert_int_equal(resolv_parse("# nameserver 192.0.2.9\nsearch x\nnameserver "
				      "192.0.2.1\nnameserver\t2001:db8::1 # x\n",
				      out),
			 2);
	assert_string_equal(out[0], "192.0.2.1");
	assert_string_equal(out[1], "2001:db8::1");
	assert_int_equal(
		resolv_parse("nameserver 127.0.0.53\nnameserver ::1\nnameserver "
			     "fe80::1%eth0\nnameserver 0.0.0.0\n"
			     "nameserver "
			     "::ffff:127.0.0.1\nnameserver\nnameserver192.0.2.1\nnameserver x",
			     out),
		0);
	assert_int_equal(
		resolv_parse("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
			     "nameserver 192.0.2.4",
			     out),
		3);
	assert_int_equal(resolv_parse("", out), 0);
}

static void test_escape(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain\ttext\n", "plain\ttext\n" },
		{ "\x1b[2J\a\x7f", "\\x1b[2J\\x07\\x7f" },
		{ "a\r\nb\rc", "a\r\nb\\x0dc" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9f",
		  "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9f" },
		{ "\xc2\x9b"
		  "31m",
		  "\\xc2\\x9b31m" }, /* CSI in one character */
		{ "\x9b\x80\xff", "\\x9b\\x80\\xff" },
		{ "\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf" }, /* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },			 /* surrogate */
		{ "\xe2\x82", "\\xe2\\x82" },				 /* cut off */
	};
	char out[TEXT_ESCAPED_SIZE(64)], line[16];
	size_t used;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(text_escape(cases[i].in, strlen(cases[i].in), out, NULL),
				 strlen(cases[i].out));
		assert_string_equal(out, cases[i].out);
	}
	/* a character across two reads is kept whole */
	assert_int_equal(text_escape("x\xe2\x82", 3, out, &used), 1);
	assert_int_equal(used, 1);
	assert_string_equal(text_line("a\nb\x1b", line, sizeof(line)), "a\\x0ab\\x1b");
	assert_string_equal(text_line("0123456789abcdefgh", line, sizeof(line)), "0123456789ab");
}

static void test_table(void **state)
{
	struct text_table table = { .n_columns = 2 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	text_table_row(&table, (const char *const[]){ "NAME", "STATE" });
	text_table_row(&table, (const char *const[]){ "a-longer-name", "running" });
	text_table_row(&table, (const char *const[]){ "\xc3\xa9", "x" });
	text_table_print(&table, out);
	text_table_free(&table);
	(void)fclose(out);
	assert_string_equal(
		text, "NAME           STATE\na-longer-name  running\n\xc3\xa9              x\n");
	free(text);
}

/* The keeper hands the addresses out (keeper/plan.h); what ls shows must be the same. */
static void test_addresses(void **state)
{
	static const uint32_t slots[] = { 0, 1, 200, 1023 };
	char ipv4[INET6_ADDRSTRLEN], ipv6[INET6_ADDRSTRLEN], want[PLAN_ADDRESS_SIZE];
	struct slot_plan plan;
	struct config config;
	struct err err;

	(void)state;
	config_defaults(&config, NULL);
	assert_int_equal(plan_check(&config.host, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		assert_int_equal(plan_for_slot(&config.host, slots[i], &plan, &err), 0);
		entryview_addresses(&config.host, slots[i], ipv4, ipv6);
		assert_string_equal(ipv4, plan_ipv4_text(plan.guest_ipv4, want));
		assert_string_equal(ipv6, plan_ipv6_text(plan.guest_ipv6, want));
	}
	config.host.ipv6 = 0;
	entryview_addresses(&config.host, 1, ipv4, ipv6);
	assert_string_equal(ipv6, "");
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "(none)";
}

static void test_json(void **state)
{
	static struct store_entry entry = {
		.id = "0123456789abcdef",
		.state = STORE_RUNNING,
		.has_spec = true,
		.has_deadline = true,
		.has_status = true,
		.has_end = true,
		.spec = { .name = "web",
			  .owner = "ada",
			  .account = "dev",
			  .flags = SPEC_DURABLE | SPEC_NET,
			  .host = { .pool4 = 0x0ad70000, .ipv6 = 0 },
			  .created_s = NOW },
		.deadline = { .deadline_s = NOW + DAY, .renewals = 2 },
		.status = { .slot = 3 },
		.end = { .reason = END_GUEST_PANIC, .at_s = NOW, .text = "\x1b[31m\"\xff" },
	};
	struct entryview view;
	json_t *object, *again;
	char *text;

	(void)state;
	entryview_make(&view, &entry, DAY);
	assert_string_equal(view.left, "1d");
	object = entryview_json(&entry, &view, true);
	text = json_dumps(object, JSON_INDENT(2));
	again = json_loads(text, 0, NULL);
	assert_non_null(again);
	assert_true(json_equal(object, again));
	assert_string_equal(text_of(again, "name"), "web");
	assert_string_equal(text_of(again, "state"), "running");
	assert_string_equal(text_of(again, "ends"), "2026-12-02T17:00:00Z");
	assert_string_equal(text_of(again, "ipv4"), "10.215.0.7");
	assert_true(json_is_null(json_object_get(again, "ipv6")));
	assert_int_equal(json_integer_value(json_object_get(again, "left_s")), DAY);
	assert_int_equal(json_integer_value(json_object_get(again, "renewals")), 2);
	assert_string_equal(text_of(json_object_get(again, "last_end"), "reason"), "guest-panic");
	assert_string_equal(text_of(json_object_get(again, "last_end"), "text"),
			    "\\x1b[31m\"\\xff");
	assert_null(strstr(text, "PRIVATE"));
	free(text);
	json_decref(object);
	json_decref(again);
}

/* ---- the agent: a child plays the guest ---- */

static void put_frame(int fd, uint32_t type, const void *bytes, uint32_t len)
{
	struct guest_frame frame = { type, len };

	if (fd_write_all(fd, &frame, sizeof(frame)) < 0 || fd_write_all(fd, bytes, len) < 0)
		_exit(1);
}

static struct guest_frame get_frame(int fd, char *bytes)
{
	struct guest_frame frame;

	if (fd_read_all(fd, &frame, sizeof(frame)) < 0 || frame.len > GUEST_FRAME_MAX ||
	    fd_read_all(fd, bytes, frame.len) < 0)
		_exit(1);
	return frame;
}

typedef void guest_fn(int fd, char *bytes);

/* Checks START, echoes stdin until its end, exits with 42. */
static void guest_cat(int fd, char *bytes)
{
	static const char start[] = "\2\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"
				    "dev\0\0cat\0-\0A=b";
	struct guest_exit result = { .code = 42 };
	struct guest_frame frame = get_frame(fd, bytes);

	if (frame.type != GUEST_EXEC_START || frame.len != sizeof(start) ||
	    memcmp(bytes, start, sizeof(start)) != 0)
		_exit(1);
	while ((frame = get_frame(fd, bytes)).len > 0)
		put_frame(fd, GUEST_EXEC_STDOUT, bytes, frame.len);
	put_frame(fd, GUEST_EXEC_STDERR, "done", 4);
	put_frame(fd, GUEST_EXEC_EXIT, &result, sizeof(result));
}

static void guest_too_long(int fd, char *bytes)
{
	struct guest_frame frame = { GUEST_EXEC_STDOUT, GUEST_FRAME_MAX + 1 };

	(void)get_frame(fd, bytes);
	(void)fd_write_all(fd, &frame, sizeof(frame));
}

static void guest_unknown(int fd, char *bytes)
{
	(void)get_frame(fd, bytes);
	put_frame(fd, 999, "x", 1);
}

static void guest_short_exit(int fd, char *bytes)
{
	(void)get_frame(fd, bytes);
	put_frame(fd, GUEST_EXEC_EXIT, "x", 1);
}

static void guest_hangs_up(int fd, char *bytes)
{
	(void)get_frame(fd, bytes);
}

/*
 * Writes a lot before it reads anything: both sides' buffers are full, and nobody may wait for the
 * other.
 */
static void guest_floods(int fd, char *bytes)
{
	static char flood[GUEST_FRAME_MAX];
	struct guest_exit result = { .code = 0 };

	(void)get_frame(fd, bytes);
	for (int i = 0; i < 64; i++)
		put_frame(fd, GUEST_EXEC_STDOUT, flood, sizeof(flood));
	while (get_frame(fd, bytes).len > 0)
		;
	put_frame(fd, GUEST_EXEC_EXIT, &result, sizeof(result));
}

static int play(guest_fn *guest, int in, int out, struct err *err)
{
	char *const args[] = { (char[]){ "cat" }, (char[]){ "-" }, NULL };
	static const char *const envs[] = { "A=b", NULL };
	const struct agent_command command = {
		.user = "dev", .cwd = "", .args = args, .envs = envs
	};
	const struct agent_streams streams = {
		.in = in, .out = out, .err = out, .stop = -1, .signals = -1
	};
	int pair[2], rc, status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		static char bytes[GUEST_FRAME_MAX];

		(void)close(pair[0]);
		(void)alarm(100);
		guest(pair[1], bytes);
		_exit(0);
	}
	(void)close(pair[1]);
	(void)alarm(100);
	rc = agent_exec(pair[0], &command, &streams, err);
	(void)alarm(0);
	(void)close(pair[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return rc;
}

static void test_agent(void **state)
{
	FILE *in = tmpfile(), *out = tmpfile();
	static char big[300000], back[300004];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7);
	assert_int_equal(fwrite(big, 1, sizeof(big), in), sizeof(big));
	rewind(in);
	assert_int_equal(play(guest_cat, fileno(in), fileno(out), &err), 42);
	rewind(out);
	assert_int_equal(fread(back, 1, sizeof(back), out), sizeof(back));
	assert_memory_equal(back, big, sizeof(big));
	assert_memory_equal(back + sizeof(big), "done", 4);
	(void)fclose(in);
	(void)fclose(out);
}

static void test_agent_flood(void **state)
{
	FILE *out = fopen("/dev/null", "w");
	int pipe_fds[2];
	struct err err;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(write(pipe_fds[1], "hello", 5), 5);
	(void)close(pipe_fds[1]);
	assert_int_equal(play(guest_floods, pipe_fds[0], fileno(out), &err), 0);
	(void)close(pipe_fds[0]);
	(void)fclose(out);
}

static void test_agent_nonsense(void **state)
{
	static guest_fn *const guests[] = { guest_too_long, guest_unknown, guest_short_exit,
					    guest_hangs_up };
	FILE *out = fopen("/dev/null", "w");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		struct err err = { 0 };

		assert_int_equal(play(guests[i], -1, fileno(out), &err), -1);
		assert_int_equal(err.code, ERR_FAILED);
		assert_string_not_equal(err.text, "");
	}
	(void)fclose(out);
}

/* Half-close: the end of our input reaches the peer, whose answer still reaches us. */
static void test_copy_half_close(void **state)
{
	int pair[2], in[2], out[2], status;
	char back[16] = "";
	struct err err;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		char bytes[16];
		size_t n = 0;
		ssize_t got;

		(void)close(pair[0]);
		(void)close(in[1]); /* else its end is never seen */
		(void)alarm(100);
		while ((got = read(pair[1], bytes + n, sizeof(bytes) - n)) > 0)
			n += (size_t)got;
		_exit(fd_write_all(pair[1], "answer", 6) < 0 || n != 4 ||
		      memcmp(bytes, "ping", 4) != 0);
	}
	(void)close(pair[1]);
	assert_int_equal(write(in[1], "ping", 4), 4);
	(void)close(in[1]);
	(void)alarm(100);
	assert_int_equal(copy_both_ways(in[0], out[1], pair[0], &err), 0);
	(void)alarm(0);
	assert_int_equal(read(out[0], back, sizeof(back)), 6);
	assert_string_equal(back, "answer");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(out[0]);
	(void)close(out[1]);
	(void)close(in[0]);
	(void)close(pair[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),	       cmocka_unit_test(test_resolvers),
		cmocka_unit_test(test_escape),	       cmocka_unit_test(test_table),
		cmocka_unit_test(test_addresses),      cmocka_unit_test(test_json),
		cmocka_unit_test(test_agent),	       cmocka_unit_test(test_agent_flood),
		cmocka_unit_test(test_agent_nonsense), cmocka_unit_test(test_copy_half_close),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
