/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The configuration: what is refused and where, and that the table of keys and config.example.toml
 * say the same.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/config.h"

#define MAX_KEYS 64

static int parse(const char *text, struct config *config, struct err *err)
{
	config_defaults(config, NULL);
	return config_parse(config, "f.toml", text, strlen(text), NULL, err);
}

/*
 * Every key of the table stands in the example with its default, and the example holds no other
 * key.
 */
static void test_example(void **state)
{
	static char text[65536];
	struct config defaults, config;
	bool seen[MAX_KEYS] = { false };
	struct err err = { 0 };
	ssize_t len = fd_read_file(AT_FDCWD, "config.example.toml", text, sizeof(text), &err);

	(void)state;
	assert_true(config_n_keys <= MAX_KEYS);
	assert_true(len > 0);
	config_defaults(&defaults, NULL);
	memset(&config, 0, sizeof(config));
	if (config_parse(&config, "config.example.toml", text, (size_t)len, seen, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < config_n_keys; i++) {
		if (!seen[i])
			fail_msg("config.example.toml lacks %s.%s", config_keys[i].section,
				 config_keys[i].key);
	}
	assert_memory_equal(&config, &defaults, sizeof(config));
}

/* Each key has words of its own in the example: a comment line above it. */
static void test_example_explains(void **state)
{
	static char text[65536];
	struct err err = { 0 };
	ssize_t len = fd_read_file(AT_FDCWD, "config.example.toml", text, sizeof(text) - 1, &err);
	bool explained = false;

	(void)state;
	assert_true(len > 0);
	text[len] = '\0';
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '[')
			explained = false;
		else if (line[0] == '#')
			explained = true;
		else if (!explained)
			fail_msg("no comment above: %s", line);
	}
}

static void test_values(void **state)
{
	struct config config;
	struct err err;

	(void)state;
	assert_int_equal(parse("[site]\ndefault_ttl = \"2h\"\n[network]\npool4 = "
			       "\"10.9.0.0/22\"\nipv6 = false\n"
			       "resolvers = [\"192.0.2.1\", \"2001:db8::1\"]\n"
			       "[jail]\nslots = 512\ncgroup = \"prefer\"\n[sandbox]\nmemory = "
			       "\"1G\"\nstop_timeout = \"1m\"\n",
			       &config, &err),
			 0);
	assert_int_equal(config.default_ttl_s, 7200);
	assert_int_equal(config.host.pool4, 0x0a090000);
	assert_int_equal(config.host.pool4_prefix, 22);
	assert_int_equal(config.host.ipv6, 0);
	assert_string_equal(config.resolvers[0], "192.0.2.1");
	assert_string_equal(config.resolvers[1], "2001:db8::1");
	assert_string_equal(config.resolvers[2], "");
	assert_int_equal(config.host.slot_count, 512);
	assert_int_equal(config.host.cgroup_required, 0);
	assert_int_equal(config.memory_bytes, 1 << 30);
	assert_int_equal(config.host.stop_timeout_s, 60);
	assert_int_equal(parse("", &config, &err), 0);
}

static void test_notices(void **state)
{
	static const uint32_t defaults[SPEC_MAX_NOTICES] = { 86400, 3600, 600 };
	static const uint32_t sorted[SPEC_MAX_NOTICES] = { 7200, 60, 6 };
	static const uint32_t none[SPEC_MAX_NOTICES];
	struct config config;
	struct err err;

	(void)state;
	assert_int_equal(parse("", &config, &err), 0);
	assert_memory_equal(config.host.notices_s, defaults, sizeof(defaults));
	assert_string_equal(config.host.hook, "");
	assert_int_equal(config.host.hook_timeout_s, 10);
	assert_int_equal(parse("[notices]\nbefore = [\"1m\", \"2h\", \"6s\"]\n"
			       "hook = \"/etc/mayfly/hook\"\nhook_timeout = \"3s\"\n",
			       &config, &err),
			 0);
	assert_memory_equal(config.host.notices_s, sorted, sizeof(sorted));
	assert_string_equal(config.host.hook, "/etc/mayfly/hook");
	assert_int_equal(config.host.hook_timeout_s, 3);
	assert_int_equal(parse("[notices]\nbefore = []\n", &config, &err), 0);
	assert_memory_equal(config.host.notices_s, none, sizeof(none));
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *where; /* beginning of the message */
	} cases[] = {
		{ "[site\n", "f.toml:1:6: " },
		{ "x = 1\n", "f.toml:1:1: unknown key x" },
		{ "[nosuch]\n", "f.toml:1:2: unknown section [nosuch]" },
		{ "[site]\n\n  ttl = \"7d\"\n", "f.toml:3:3: unknown key ttl in [site]" },
		{ "[site]\ndefault_ttl = 7\n",
		  "f.toml:2:1: site.default_ttl: expected a duration" },
		{ "[site]\ndefault_ttl = \"7\"\n", "f.toml:2:1: site.default_ttl: not a duration" },
		{ "[site]\ndefault_ttl = \"1s\"\n",
		  "f.toml:2:1: site.default_ttl: out of range: 1m to 3650d" },
		{ "[site]\ndefault_ttl = \"7d\"\ndefault_ttl = \"8d\"\n", "f.toml:3:15: " },
		{ "[site]\nmax_ttl = \"1h\"\n",
		  "f.toml: site.default_ttl is longer than site.max_ttl" },
		{ "[site]\ngroup = \"Big Group\"\n", "f.toml:2:1: site.group: not a name" },
		{ "[site]\ngroup = \"a\\u0000b\"\n", "f.toml:2:1: site.group: expected a name" },
		{ "[paths]\nstate_dir = \"var\"\n",
		  "f.toml:2:1: paths.state_dir: not an absolute path" },
		{ "[paths.kernel]\nx = 1\n", "f.toml:1:8: paths.kernel: expected a path" },
		{ "[network]\npool4 = \"10.0.0.0\"\n",
		  "f.toml:2:1: network.pool4: not an IPv4 network" },
		{ "[network]\npool4 = \"10.0.0.1/16\"\n",
		  "f.toml:2:1: network.pool4: has bits set" },
		{ "[network]\npool4 = \"10.0.0.0/31\"\n",
		  "f.toml:2:1: network.pool4: prefix length out of range" },
		{ "[network]\npool4 = \"10.0.0.0/24\"\n",
		  "f.toml: network.pool4 has room for 128 sandboxes" },
		{ "[network]\npool6 = \"2001:db8::/64\"\n",
		  "f.toml:2:1: network.pool6: not a /64 of unique local" },
		{ "[network]\npool6 = \"fd00::1/64\"\n",
		  "f.toml:2:1: network.pool6: has bits set" },
		{ "[network]\nipv6 = 1\n", "f.toml:2:1: network.ipv6: expected true or false" },
		{ "[network]\nresolvers = [\"127.0.0.53\"]\n",
		  "f.toml:2:1: network.resolvers: a loopback address" },
		{ "[network]\nresolvers = [\"::1\"]\n",
		  "f.toml:2:1: network.resolvers: a loopback address" },
		{ "[network]\nresolvers = [\"dns\"]\n",
		  "f.toml:2:1: network.resolvers: not a list" },
		{ "[network]\nresolvers = [\"1.1.1.1\", 2]\n",
		  "f.toml:2:1: network.resolvers: expected a list" },
		{ "[network]\nresolvers = [\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\"]\n",
		  "f.toml:2:1: network.resolvers: too many" },
		{ "[notices]\nbefore = \"1h\"\n",
		  "f.toml:2:1: notices.before: expected a list of durations" },
		{ "[notices]\nbefore = [\"1h\", \"60\"]\n",
		  "f.toml:2:1: notices.before: not a duration" },
		{ "[notices]\nbefore = [\"1h\", \"60m\"]\n",
		  "f.toml:2:1: notices.before: the same time twice" },
		{ "[notices]\nbefore = [\"1000d\"]\n",
		  "f.toml:2:1: notices.before: out of range: 1s to 365d" },
		{ "[notices]\nbefore = "
		  "[\"1m\",\"2m\",\"3m\",\"4m\",\"5m\",\"6m\",\"7m\",\"8m\",\"9m\"]\n",
		  "f.toml:2:1: notices.before: too many notices: at most 8" },
		{ "[notices]\nhook = \"hook\"\n",
		  "f.toml:2:1: notices.hook: not an absolute path" },
		{ "[network]\nmark_base = 0\n", "f.toml:2:1: network.mark_base: out of range" },
		{ "[network]\nmark_mask = 0xffffffff\n",
		  "f.toml: network.mark_mask must leave room" },
		{ "[jail]\nslots = -1\n", "f.toml:2:1: jail.slots: out of range: 1 to 16384" },
		{ "[jail]\nslots = 9223372036854775807\n", "f.toml:2:1: jail.slots: out of range" },
		{ "[jail]\nslots = 1.5\n", "f.toml:2:1: jail.slots: expected a whole number" },
		{ "[jail]\ncgroup = \"maybe\"\n", "f.toml:2:1: jail.cgroup: neither" },
		{ "[sandbox]\nmemory = \"15M\"\n",
		  "f.toml:2:1: sandbox.memory: out of range: 16M to 64G" },
		{ "[sandbox]\nmemory = \"17M\"\n",
		  "f.toml:2:1: sandbox.memory: not a multiple of 2M" },
		{ "[sandbox]\ncpus = 9\n", "f.toml:2:1: sandbox.cpus: out of range: 1 to 8" },
		{ "[sandbox]\naccount = \"Dev\"\n", "f.toml:2:1: sandbox.account: not a name" },
	};
	struct config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };

		if (parse(cases[i].text, &config, &err) == 0)
			fail_msg("accepted: %s", cases[i].text);
		if (strncmp(err.text, cases[i].where, strlen(cases[i].where)) != 0)
			fail_msg("%s\ngot:  %s\nwant: %s", cases[i].text, err.text, cases[i].where);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(strchr(err.text, '\n'));
	}
}

static void test_files(void **state)
{
	static struct config config;
	struct err err;

	(void)state;
	assert_int_equal(config_load(&config, "/nonexistent/mayfly.toml", &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(config_load(&config, "/dev/zero", &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example), cmocka_unit_test(test_example_explains),
		cmocka_unit_test(test_values),	cmocka_unit_test(test_notices),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_files),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
