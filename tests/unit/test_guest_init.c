/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* mayfly-init where it takes input: its configuration, and commands of the exec service; the test plays the host. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/fd.h"
#include "guest-init/config.h"
#include "guest-init/exec.h"
#include "guest-init/frame.h"
#include "guest-init/service.h"

#define PATIENCE_MS 60000

/* ---- configuration ---- */

static int load(const void *bytes, size_t len, struct config *config, const char **why)
{
	char path[] = "/tmp/mayfly-config-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
	fd_close(&fd);
	rc = config_load(path, config, why);
	assert_int_equal(unlink(path), 0);
	return rc;
}

static struct guest_config a_config(void)
{
	return (struct guest_config){
		.magic = GUEST_CONFIG_MAGIC,
		.version = GUEST_VERSION,
		.size = sizeof(struct guest_config),
		.hostname = "web",
		.account = "dev",
		.authorized_keys_len = 4,
		.host_key_len = 6,
	};
}

static void config_is_read(void **state)
{
	struct {
		struct guest_config record;
		char blobs[10];
	} file = { a_config(), "keysmykey" };
	struct config config;
	const char *why;

	(void)state;
	assert_int_equal(load(&file, sizeof(file.record) + 10, &config, &why), 0);
	assert_string_equal(config.record.hostname, "web");
	assert_memory_equal(config.authorized_keys, "keys", 4);
	assert_memory_equal(config.host_key, "mykey", 6);
}

static void config_is_refused(void **state)
{
	static const struct {
		const char *what;
		size_t at, size;
		uint64_t value;
		const char *why;
	} cases[] = {
#define SPOIL(field, value, why)                                                                   \
	{ #field, offsetof(struct guest_config, field), sizeof(((struct guest_config *)0)->field), \
	  value, why }
		SPOIL(magic, 1, "version"),
		SPOIL(version, GUEST_VERSION + 1, "version"),
		SPOIL(size, 0, "version"),
		SPOIL(size, UINT32_MAX, "version"),
		SPOIL(authorized_keys_len, 5, "malformed"),
		SPOIL(authorized_keys_len, UINT32_MAX, "malformed"),
		SPOIL(authorized_keys_len, UINT32_MAX - 5, "malformed"), /* 2^32 - 6 + 6 */
		SPOIL(host_key_len, 7, "malformed"),
		SPOIL(host_key_len, UINT32_MAX - 3, "malformed"),
#undef SPOIL
	};
	struct guest_config record;
	uint8_t file[sizeof(record) + 10];
	struct config config;
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		record = a_config();
		memcpy((uint8_t *)&record + cases[i].at, &cases[i].value, cases[i].size);
		memset(file, 0, sizeof(file));
		memcpy(file, &record, sizeof(record));
		assert_int_equal(load(file, sizeof(file), &config, &why), -1);
		assert_non_null(strstr(why, cases[i].why));
	}
	record = a_config();
	memset(record.hostname, 'x', sizeof(record.hostname));
	memcpy(file, &record, sizeof(record));
	assert_int_equal(load(file, sizeof(file), &config, &why), -1);
	record = a_config();
	memset(record.account, 'x', sizeof(record.account));
	memcpy(file, &record, sizeof(record));
	assert_int_equal(load(file, sizeof(file), &config, &why), -1);
	record = a_config();
	memcpy(file, &record, sizeof(record));
	assert_int_equal(load(file, sizeof(record) - 1, &config, &why), -1);
	assert_int_equal(load(file, 0, &config, &why), -1);
	assert_int_equal(config_load("/nonexistent/config", &config, &why), -1);
}

static void config_too_large(void **state)
{
	static uint8_t file[1 << 17];
	struct guest_config record = a_config();
	struct config config;
	const char *why;

	(void)state;
	record.authorized_keys_len = sizeof(file) - sizeof(record) - 6;
	memcpy(file, &record, sizeof(record));
	assert_int_equal(load(file, sizeof(file), &config, &why), -1);
}

/* ---- the exec service ---- */

struct service {
	pid_t pid;
	int stream;
};

static struct service start_service(void)
{
	struct service service;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	service.pid = fork();
	assert_true(service.pid >= 0);
	if (service.pid == 0) {
		(void)close(pair[0]);
		exec_serve(pair[1]);
	}
	(void)close(pair[1]);
	service.stream = pair[0];
	return service;
}

/* Its exit code, or -1 when it doesn't end by itself. */
static int end_service(struct service *service)
{
	int status;

	fd_close(&service->stream);
	for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
		if (waitpid(service->pid, &status, WNOHANG) == service->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		(void)usleep(20000);
	}
	(void)kill(service->pid, SIGKILL);
	(void)waitpid(service->pid, &status, 0);
	return -1;
}

/* START for root, at home, without environment: sh -c script. */
static void run_flags(const struct service *service, const char *script, uint32_t flags)
{
	const struct guest_exec head = { .n_args = 3, .flags = flags, .winsize = { 33, 111 } };
	char bytes[512];
	size_t len = sizeof(head);

	memcpy(bytes, &head, sizeof(head));
	len += (size_t)snprintf(bytes + len, sizeof(bytes) - len, "%c%csh%c-c%c%s", 0, 0, 0, 0,
				script);
	assert_int_equal(frame_send(service->stream, GUEST_EXEC_START, bytes, (uint32_t)len + 1),
			 0);
}

static void run(const struct service *service, const char *script)
{
	run_flags(service, script, 0);
}

/* Frames up to the command's end; what it wrote to stdout (its beginning). The exit code, -1: the stream ended, or no
 * frame came in time. */
static int follow(const struct service *service, char *out, size_t size)
{
	static char payload[GUEST_FRAME_MAX];
	struct pollfd ready = { .fd = service->stream, .events = POLLIN };
	struct guest_frame frame;
	struct guest_exit result;
	size_t n = 0, part;

	for (time_t last = time(NULL) + PATIENCE_MS / 1000; time(NULL) <= last;) {
		if (poll(&ready, 1, PATIENCE_MS) != 1 ||
		    frame_receive(service->stream, &frame, payload, sizeof(payload)) < 0)
			return -1;
		if (frame.type == GUEST_EXEC_EXIT && frame.len == sizeof(result)) {
			memcpy(&result, payload, sizeof(result));
			return (int)result.code;
		}
		part = frame.type == GUEST_EXEC_STDOUT ? frame.len : 0;
		part = part < size - 1 - n ? part : size - 1 - n;
		memcpy(out + n, payload, part);
		n += part;
		out[n] = '\0';
	}
	return -1;
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void exec_runs(void **state)
{
	struct service service;
	char out[256] = "";

	(void)state;
	needs_root();
	service = start_service();
	run(&service, "read x; echo got $x; exit 7");
	assert_int_equal(frame_send(service.stream, GUEST_EXEC_STDIN, "word\n", 5), 0);
	assert_int_equal(follow(&service, out, sizeof(out)), 7);
	assert_string_equal(out, "got word\n");
	assert_int_equal(end_service(&service), 0);
}

/* Frames until the command's stdout ends with this. */
static void follow_until(const struct service *service, const char *end)
{
	static char payload[GUEST_FRAME_MAX];
	struct pollfd ready = { .fd = service->stream, .events = POLLIN };
	struct guest_frame frame;
	char out[4096] = "";
	size_t n = 0;

	while (n < strlen(end) || strcmp(out + n - strlen(end), end) != 0) {
		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		assert_int_equal(frame_receive(service->stream, &frame, payload, sizeof(payload)),
				 0);
		assert_int_equal(frame.type, GUEST_EXEC_STDOUT);
		assert_true(frame.len < sizeof(out) - n);
		memcpy(out + n, payload, frame.len);
		n += frame.len;
		out[n] = '\0';
	}
}

static void exec_on_a_terminal(void **state)
{
	const struct guest_winsize larger = { 50, 200 };
	struct service service;
	char out[256] = "";

	(void)state;
	needs_root();
	service = start_service();
	run_flags(&service,
		  "stty -echo; stty size; tty >&2; trap 'stty size' WINCH; echo ready; read x; "
		  "read x; exit 5",
		  GUEST_EXEC_TTY);
	follow_until(&service, "ready\r\n");
	assert_int_equal(frame_send(service.stream, GUEST_EXEC_WINSIZE, &larger, sizeof(larger)),
			 0);
	/* the trap may run only once the read has its line */
	assert_int_equal(frame_send(service.stream, GUEST_EXEC_STDIN, "a\n", 2), 0);
	follow_until(&service, "50 200\r\n");
	assert_int_equal(frame_send(service.stream, GUEST_EXEC_STDIN, NULL, 0), 0);
	assert_int_equal(follow(&service, out, sizeof(out)), 5);
	assert_int_equal(end_service(&service), 0);
}

/* What it wrote just before its end is there; ^C is its terminal's to understand. */
static void exec_terminal_keys(void **state)
{
	struct service service;
	char out[256] = "";

	(void)state;
	needs_root();
	service = start_service();
	run_flags(&service,
		  "trap 'stty size; exit 9' INT; echo ready; while :; do sleep 0.05; done",
		  GUEST_EXEC_TTY);
	follow_until(&service, "ready\r\n");
	assert_int_equal(frame_send(service.stream, GUEST_EXEC_STDIN, "\3", 1), 0);
	assert_int_equal(follow(&service, out, sizeof(out)), 9);
	assert_string_equal(out, "^C33 111\r\n");
	assert_int_equal(end_service(&service), 0);
}

static void exec_signal(void **state)
{
	const struct guest_signal signal = { .signal = SIGTERM };
	struct service service;
	char out[256] = "";

	(void)state;
	needs_root();
	service = start_service();
	run(&service,
	    "sh -c 'trap \"echo child; exit\" TERM; echo ready; sleep 20 & wait'; exit 4");
	follow_until(&service, "ready\n");
	assert_int_equal(frame_send(service.stream, GUEST_EXEC_SIGNAL, &signal, sizeof(signal)), 0);
	assert_int_equal(follow(&service, out, sizeof(out)), 128 + SIGTERM);
	assert_int_equal(end_service(&service), 0);
}

/* Frames that no host of ours sends end the command. */
static void exec_frame_malformed(void **state)
{
	static const struct {
		uint32_t type, len, value;
	} cases[] = {
		{ GUEST_EXEC_SIGNAL, 4, 0 },	      { GUEST_EXEC_SIGNAL, 4, 65 },
		{ GUEST_EXEC_SIGNAL, 4, UINT32_MAX }, { GUEST_EXEC_SIGNAL, 0, 0 },
		{ GUEST_EXEC_WINSIZE, 2, 0 },	      { GUEST_EXEC_START, 4, 0 },
	};
	char out[16] = "";

	(void)state;
	needs_root();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct service service = start_service();

		run(&service, "exec sleep 60");
		assert_int_equal(
			frame_send(service.stream, cases[i].type, &cases[i].value, cases[i].len),
			0);
		assert_int_equal(follow(&service, out, sizeof(out)), -1);
		assert_int_equal(end_service(&service), 1);
	}
}

static void exec_start_malformed(void **state)
{
	static const struct {
		uint32_t type, len;
		struct guest_exec head;
		char texts[16];
	} cases[] = {
		{ GUEST_EXEC_STDIN, 22, { .n_args = 1 }, "\0\0true" },
		{ GUEST_EXEC_START, 0, { .n_args = 1 }, "" },
		{ GUEST_EXEC_START, 7, { .n_args = 1 }, "" },
		{ GUEST_EXEC_START, 16, { .n_args = 1 }, "" },	       /* no user */
		{ GUEST_EXEC_START, 17, { .n_args = 1 }, "" },	       /* no directory */
		{ GUEST_EXEC_START, 23, { .n_args = 0 }, "\0\0true" }, /* no word */
		{ GUEST_EXEC_START, 22, { .n_args = 1 }, "\0\0true" }, /* not terminated */
		{ GUEST_EXEC_START, 23, { .n_args = 2 }, "\0\0true" },
		{ GUEST_EXEC_START, 23, { .n_args = 1, .n_envs = 1 }, "\0\0true" },
		{ GUEST_EXEC_START, 23, { .n_args = UINT32_MAX }, "\0\0true" },
		{ GUEST_EXEC_START, 23, { .n_args = 1, .n_envs = UINT32_MAX }, "\0\0true" },
		{ GUEST_EXEC_START, 23, { .n_args = 1025 }, "\0\0true" },
		{ GUEST_EXEC_START, GUEST_FRAME_MAX + 1, { .n_args = 1 }, "\0\0true" },
		{ GUEST_EXEC_START, UINT32_MAX, { .n_args = 1 }, "\0\0true" },
	};
	char out[16] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct service service = start_service();
		const struct guest_frame frame = { cases[i].type, cases[i].len };
		uint32_t len = cases[i].len < 24 ? cases[i].len : 24;

		assert_int_equal(fd_write_all(service.stream, &frame, sizeof(frame)), 0);
		assert_int_equal(fd_write_all(service.stream, &cases[i].head, len), 0);
		assert_int_equal(follow(&service, out, sizeof(out)), -1);
		assert_int_equal(end_service(&service), 1);
	}
}

/* Its input is more than a pipe holds, and it reads none. */
static void exec_host_hangs_up(void **state)
{
	static char much[60000];
	struct service service;

	(void)state;
	needs_root();
	service = start_service();
	run(&service, "exec sleep 60");
	for (int i = 0; i < 3; i++)
		assert_int_equal(frame_send(service.stream, GUEST_EXEC_STDIN, much, sizeof(much)),
				 0);
	(void)usleep(200000);
	assert_int_equal(end_service(&service), 1);
}

/* What it leaves behind goes on writing, and isn't waited for. */
static void exec_leaves_a_flood(void **state)
{
	struct service service;
	char out[16] = "";

	(void)state;
	needs_root();
	service = start_service();
	run(&service, "timeout 20 cat /dev/zero & sleep 0.2; exit 3");
	assert_int_equal(follow(&service, out, sizeof(out)), 3);
	assert_int_equal(end_service(&service), 0);
}

/* Somebody who isn't the host on a listening socket of the exec service: hung up on, nothing is started. */
static void exec_is_the_hosts(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int stranger = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd ready = { .fd = stranger, .events = POLLIN };
	socklen_t len = sizeof(address);
	pid_t child;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(stranger, (struct sockaddr *)&address, len), 0);
	service_accept(SERVICE_EXEC, listener);
	child = waitpid(-1, NULL, WNOHANG);
	(void)poll(&ready, 1, 0);
	(void)shutdown(stranger, SHUT_RDWR); /* whoever serves it ends */
	assert_int_equal(child, -1);
	assert_true((ready.revents & POLLHUP) != 0);
	fd_close(&stranger);
	fd_close(&listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_is_read),	cmocka_unit_test(config_is_refused),
		cmocka_unit_test(config_too_large),	cmocka_unit_test(exec_runs),
		cmocka_unit_test(exec_start_malformed), cmocka_unit_test(exec_host_hangs_up),
		cmocka_unit_test(exec_leaves_a_flood),	cmocka_unit_test(exec_is_the_hosts),
		cmocka_unit_test(exec_on_a_terminal),	cmocka_unit_test(exec_terminal_keys),
		cmocka_unit_test(exec_signal),		cmocka_unit_test(exec_frame_malformed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("guest-init", tests, NULL, NULL);
}
