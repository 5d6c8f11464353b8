/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/gate.h"
#include "keeper/owner_table.h"
#include "keeper/plan.h"

#define ID "0123456789abcdef"

static const struct host_config good = {
	.ipv6 = 1,
	.uid_base = 2100000000,
	.slot_count = 256,
	.pool4 = 0x0a530000,
	.pool4_prefix = 16,
	.pool6 = { 0xfd, 0x6d, 0x66 },
	.mark_base = 0x4d460000,
	.mark_mask = 0xffff0000,
};

static void first_and_last_slot(void **state)
{
	static const uint8_t last6[16] = { 0xfd, 0x6d, 0x66, [14] = 1, [15] = 0 };
	struct slot_plan plan;
	struct err err;

	(void)state;
	assert_int_equal(plan_for_slot(&good, 0, &plan, &err), 0);
	assert_int_equal(plan.uid, 2100000000);
	assert_int_equal(plan.host_ipv4, 0x0a530000);
	assert_int_equal(plan.guest_ipv4, 0x0a530001);
	assert_int_equal(plan.mark, 0x4d460000);
	assert_int_equal(plan.guest_ipv6[15], 1);
	assert_int_equal(plan_for_slot(&good, 255, &plan, &err), 0);
	assert_int_equal(plan.uid, 2100000255);
	assert_int_equal(plan.host_ipv4, 0x0a5301fe);
	assert_int_equal(plan.mark, 0x4d4600ff);
	assert_memory_equal(plan.guest_ipv6, last6, 16);
	assert_int_equal(plan_for_slot(&good, 256, &plan, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

/* Every two slots differ in everything, and every host address is the even one of its pair. */
static void slots_are_apart(void **state)
{
	struct slot_plan plan, before = { .uid = 0 };
	struct err err;

	(void)state;
	for (uint32_t slot = 0; slot < good.slot_count; slot++) {
		assert_int_equal(plan_for_slot(&good, slot, &plan, &err), 0);
		assert_int_equal(plan.host_ipv4 & 1, 0);
		assert_int_equal(plan.guest_ipv4, plan.host_ipv4 + 1);
		assert_int_equal(plan.mark & good.mark_mask, good.mark_base);
		assert_true(plan.uid > before.uid && plan.mark > before.mark);
		assert_true(plan.host_ipv4 > before.guest_ipv4);
		assert_true(memcmp(plan.guest_ipv6, before.guest_ipv6, 16) > 0);
		before = plan;
	}
}

static void bad(struct host_config host, const char *says)
{
	struct slot_plan plan = { .uid = 7 };
	struct err err = { .code = 0 };

	assert_int_equal(plan_check(&host, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.text, says))
		fail_msg("'%s' does not say '%s'", err.text, says);
	assert_int_equal(plan_for_slot(&host, 0, &plan, &err), -1);
	assert_int_equal(plan.uid, 7);
}

#define BAD(says, ...)                                                                             \
	do {                                                                                       \
		struct host_config host = good;                                                    \
		__VA_ARGS__;                                                                       \
		bad(host, says);                                                                   \
	} while (0)

static void bad_configurations(void **state)
{
	(void)state;
	BAD("number of sandboxes", host.slot_count = 0);
	BAD("uids", host.uid_base = 0);
	BAD("uids", host.uid_base = 999);
	BAD("uids", host.uid_base = 0xffffffff);
	BAD("uids", host.uid_base = 0xfffffff0);
	BAD("nobody", host.uid_base = 65534 - 255);
	BAD("nobody", host.uid_base = 65534);
	BAD("mark mask", host.mark_mask = 0);
	BAD("mark mask", host.mark_mask = 0xff00ff00);
	BAD("mark mask", host.mark_mask = 0x0000ffff);
	BAD("mark base", host.mark_base = 0);
	BAD("mark base", host.mark_base = 0x4d460001);
	BAD("leaves 128 marks", host.mark_mask = 0xffffff80);
	BAD("prefix length 7", host.pool4_prefix = 7);
	BAD("prefix length 31", host.pool4_prefix = 31);
	BAD("behind its prefix", host.pool4 = 0x0a530001);
	BAD("holds 128 sandboxes", host.pool4_prefix = 24);
	BAD("unique local", host.pool6[0] = 0x20);
	BAD("unique local", host.pool6[8] = 1);
}

static void tight_configurations(void **state)
{
	struct host_config host = good;
	struct err err;

	(void)state;
	host.pool4_prefix = 23;
	host.mark_mask = 0xffffff00;
	host.mark_base = 0x4d460000;
	assert_int_equal(plan_check(&host, &err), 0);
	host.uid_base = 65535;
	assert_int_equal(plan_check(&host, &err), 0);
	host.uid_base = 65534 - 256;
	assert_int_equal(plan_check(&host, &err), 0);
	host.ipv6 = 0;
	memset(host.pool6, 0, sizeof(host.pool6));
	assert_int_equal(plan_check(&host, &err), 0);
	host = good;
	host.slot_count = 1;
	host.pool4_prefix = 30;
	assert_int_equal(plan_check(&host, &err), 0);
}

static void addresses_as_text(void **state)
{
	char text[PLAN_ADDRESS_SIZE];
	struct slot_plan plan;
	struct err err;

	(void)state;
	assert_int_equal(plan_for_slot(&good, 3, &plan, &err), 0);
	assert_string_equal(plan_ipv4_text(plan.guest_ipv4, text), "10.83.0.7");
	assert_string_equal(plan_ipv6_text(plan.guest_ipv6, text), "fd6d:6600::4");
}

/* Each command is a line of its own, and names this sandbox's table. */
static void own_rules(void **state)
{
	char text[OWNER_TABLE_TEXT_MAX], without6[OWNER_TABLE_TEXT_MAX];
	const struct owner_egress any = { .limited = false };
	struct host_config host = good;
	struct slot_plan plan;
	struct err err;

	(void)state;
	assert_int_equal(plan_for_slot(&host, 255, &plan, &err), 0);
	owner_table_text(ID, &plan, &host, &any, text);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		assert_non_null(strchr(line, '\n'));
		assert_int_equal(strncmp(line, "add ", 4), 0);
		assert_ptr_equal(strstr(strstr(line, " netdev "), " mayfly_" ID " "),
				 strstr(line, " netdev ") + 7);
	}
	assert_non_null(strstr(text, "flags owner"));
	assert_non_null(strstr(text, "meta mark set 0x4d4600ff"));
	assert_int_equal(strncmp(strstr(text, "chain netdev mayfly_" ID " in"), "chain", 5), 0);
	host.ipv6 = 0;
	owner_table_text(ID, &plan, &host, &any, without6);
	assert_null(strstr(without6, "ip6"));
	assert_true(strlen(without6) < strlen(text));
}

/* The largest of all fits, and a limited one never has the rule that lets all pass. */
static void egress_rules(void **state)
{
	struct spec_egress list[SPEC_MAX_EGRESS];
	struct owner_egress egress = { .limited = true, .list = list };
	char text[OWNER_TABLE_TEXT_MAX];
	struct slot_plan plan;
	struct err err;

	(void)state;
	memset(list, 0xff, sizeof(list));
	for (size_t i = 0; i < SPEC_MAX_EGRESS; i++)
		list[i].prefix = 128;
	list[0] = (struct spec_egress){ .address = { [10] = 0xff, 0xff, 192, 0, 2, 0 },
					.prefix = 96 + 24,
					.port = 443 };
	list[1] = (struct spec_egress){ .address = { [10] = 0xff, 0xff }, .prefix = 96 };
	assert_int_equal(plan_for_slot(&good, 255, &plan, &err), 0);
	owner_table_text(ID, &plan, &good, &egress, text);
	assert_null(strstr(text, "meta protocol ip meta mark set"));
	assert_null(strstr(text, "meta protocol ip6 meta mark set"));
	assert_non_null(strstr(text, "ip daddr 10.83.1.254 meta mark set 0x4d4600ff accept\n"));
	assert_non_null(strstr(text, "ip6 daddr fe80::1 meta mark set 0x4d4600ff accept\n"));
	egress.n = SPEC_MAX_EGRESS;
	owner_table_text(ID, &plan, &good, &egress, text);
	assert_non_null(strstr(text, "meta protocol ip ip daddr 192.0.2.0/24 meta l4proto { tcp, "
				     "udp } th dport 443 meta mark set 0x4d4600ff accept\n"));
	/* 0.0.0.0/0 is all of IPv4, and nothing of IPv6 */
	assert_non_null(strstr(text, "meta protocol ip meta mark set"));
	assert_null(strstr(text, "meta protocol ip6 meta mark set"));
	assert_true(strlen(text) < sizeof(text) - 1000);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void gate_rules(void **state)
{
	char text[GATE_TEXT_MAX];

	(void)state;
	gate_text(&good, text);
	assert_non_null(strstr(text, "meta mark and 0xffff0000 != 0x4d460000 drop\n"));
	assert_non_null(strstr(text, "masquerade\n"));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_non_null(strstr(line, "inet mayfly"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_and_last_slot), cmocka_unit_test(slots_are_apart),
		cmocka_unit_test(bad_configurations),  cmocka_unit_test(tight_configurations),
		cmocka_unit_test(addresses_as_text),   cmocka_unit_test(own_rules),
		cmocka_unit_test(egress_rules),	       cmocka_unit_test(gate_rules),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
