/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A site's policy: networks to send to, who asks, who may, and whether there is room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bug.h"
#include "cli/egress.h"
#include "cli/policy.h"
#include "cli/who.h"
#include "store/totals.h"

/* ---- egress ---- */

static void test_networks(void **state)
{
	static const struct {
		const char *text, *back; /* back NULL: it is none */
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.0/24" },
		{ "192.0.2.7", "192.0.2.7/32" },
		{ "192.0.2.7:443", "192.0.2.7/32:443" },
		{ "192.0.2.0/24:65535", "192.0.2.0/24:65535" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "0.0.0.0/0:53", "0.0.0.0/0:53" },
		{ "2001:DB8::/32", "2001:db8::/32" },
		{ "2001:db8::1", "2001:db8::1/128" },
		{ "[2001:db8::/32]:443", "[2001:db8::/32]:443" },
		{ "[2001:db8::1]:443", "[2001:db8::1/128]:443" },
		{ "::/0", "::/0" },
		{ "[::/0]:53", "[::/0]:53" },
		{ "", NULL },
		{ "ten", NULL },
		{ "10.0.0.0/33", NULL },
		{ "10.0.0.0/", NULL },
		{ "10.0.0.0/-1", NULL },
		{ "10.0.0/8", NULL },
		{ "10.0.0.1/8", NULL },
		{ "10.0.0.0/8:", NULL },
		{ "10.0.0.0/8:0", NULL },
		{ "10.0.0.0/8:65536", NULL },
		{ "10.0.0.0/8:https", NULL },
		{ "10.0.0.0:443/8", NULL },
		{ "2001:db8::/129", NULL },
		{ "2001:db8::1/32", NULL },
		{ "[2001:db8::/32]", NULL },
		{ "[2001:db8::/32]443", NULL },
		{ "[2001:db8::/32", NULL },
		{ "[10.0.0.0/8]:1", NULL },
		{ "::ffff:10.0.0.0", NULL },
		{ "::ffff:0:0/96", NULL },
		{ " 10.0.0.0/8", NULL },
		{ "fe80::1%eth0", NULL },
	};
	char text[EGRESS_TEXT_SIZE];
	struct spec_egress network;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *wrong = egress_parse_network(cases[i].text, &network);

		if (cases[i].back == NULL) {
			assert_non_null(wrong);
			continue;
		}
		assert_null(wrong);
		assert_string_equal(egress_text(&network, text), cases[i].back);
		assert_null(egress_parse_network(text, &network));
	}
}

static struct egress egress_of(const char *words)
{
	struct egress egress = { .limited = true };
	char copy[256], *save = NULL;
	size_t n = 0;

	(void)str_copy(copy, sizeof(copy), words);
	for (const char *at = words; at != NULL; at = strchr(at + 1, ' '))
		n++;
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		assert_null(egress_add(&egress, word, n));
	return egress;
}

static void test_narrowing(void **state)
{
	static const struct {
		const char *site, *asked;
		bool allowed;
	} cases[] = {
		{ "any", "10.0.0.0/8", true },
		{ "any", "::/0", true },
		{ "none", "10.0.0.1", false },
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.255.255.255:22", true },
		{ "10.0.0.0/8", "11.0.0.0/9", false },
		{ "10.0.0.0/8", "10.0.0.0/7", false },
		{ "10.0.0.0/9", "10.128.0.0/9", false },
		{ "10.0.0.0/9", "10.127.0.0/16", true },
		{ "10.0.0.0/8:443", "10.0.0.0/8:443", true },
		{ "10.0.0.0/8:443", "10.0.0.0/8", false },
		{ "10.0.0.0/8:443", "10.0.0.0/8:80", false },
		{ "10.0.0.0/8:443 10.1.0.0/16", "10.1.2.3:80", true },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "10.0.0.0/8", false },
		{ "::/0", "2001:db8::/32", true },
		{ "2001:db8::/33", "2001:db8:7fff::/48", true },
		{ "2001:db8::/33", "2001:db8:8000::/48", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct egress site = egress_of(cases[i].site);
		struct spec_egress asked;

		assert_null(egress_parse_network(cases[i].asked, &asked));
		assert_int_equal(egress_allows(&site, &asked), cases[i].allowed);
	}
}

static void test_words(void **state)
{
	struct egress egress = { .limited = true };

	(void)state;
	assert_non_null(egress_add(&egress, "any", 2));
	egress = (struct egress){ .limited = true };
	for (int i = 0; i < SPEC_MAX_EGRESS; i++)
		assert_null(egress_add(&egress, "192.0.2.0/24", SPEC_MAX_EGRESS));
	assert_non_null(egress_add(&egress, "192.0.2.0/24", SPEC_MAX_EGRESS + 1));
	assert_int_equal(egress.n, SPEC_MAX_EGRESS);
}

/* ---- who ---- */

static void test_who(void **state)
{
	static const struct {
		struct who_facts facts;
		const char *word;
	} cases[] = {
		{ { .uid = 0 }, "#0" },
		{ { .uid = 1000 }, "#1000" },
		/* who isn't root speaks for nobody else */
		{ { .uid = 1000, .sudo_uid = "0", .sudo_user = "root" }, "#1000" },
		{ { .uid = 1000, .doas_user = "ada" }, "#1000" },
		{ { .uid = 0, .sudo_uid = "1001", .sudo_user = "ada" }, "#1001" },
		{ { .uid = 0, .sudo_uid = "0", .sudo_user = "root" }, "#0" },
		{ { .uid = 0, .sudo_user = "ada" }, "ada" },
		{ { .uid = 0, .pkexec_uid = "1002" }, "#1002" },
		{ { .uid = 0, .doas_user = "bob" }, "bob" },
		{ { .uid = 0, .sudo_uid = "1001", .pkexec_uid = "1002" }, "#1001" },
		{ { .uid = 0, .sudo_uid = "x", .pkexec_uid = "1002" }, "#1002" },
		{ { .uid = 0, .sudo_uid = "-1" }, "#0" },
		{ { .uid = 0, .sudo_uid = "4294967295" }, "#0" },
		{ { .uid = 0, .sudo_uid = "99999999999999999999" }, "#0" },
		{ { .uid = 0, .sudo_uid = "", .sudo_user = "" }, "#0" },
	};
	char word[STR_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(who_decide(&cases[i].facts, word), cases[i].word);
}

static void test_lets(void **state)
{
	static struct policy policy;
	char staff[] = "staff", wheel[] = "wheel";
	char *const both[] = { staff, wheel };

	(void)state;
	assert_true(policy_lets(&policy, "ada", both, 0)); /* nobody is named: everybody */
	policy.users.n = 1;
	(void)str_copy(policy.users.words[0], SPEC_PATH_SIZE, "ada");
	assert_true(policy_lets(&policy, "ada", NULL, 0));
	assert_false(policy_lets(&policy, "bob", both, 2));
	assert_false(policy_lets(&policy, "ad", both, 2));
	assert_false(policy_lets(&policy, "staff", NULL, 0));
	policy.groups.n = 1;
	(void)str_copy(policy.groups.words[0], SPEC_PATH_SIZE, "wheel");
	assert_true(policy_lets(&policy, "bob", both, 2));
	assert_false(policy_lets(&policy, "bob", both, 1));
	policy.users.n = 0;
	assert_false(policy_lets(&policy, "ada", both, 1));
	assert_false(policy_lets(&policy, "wheel", NULL, 0)); /* a group's name is no user's */
}

/* ---- room ---- */

static void test_totals(void **state)
{
	static struct spec spec = { .vcpus = 2,
				    .memory_bytes = 512ULL << 20,
				    .disk_bytes = 2ULL << 30 };
	const struct {
		struct host_totals may;
		struct totals taken;
		unsigned kinds;
		const char *text; /* NULL: there is room */
	} cases[] = {
		{ { 0 }, { 1000, 1000, 1ULL << 40, 1ULL << 40 }, 3, NULL },
		{ { .sandboxes = 3 }, { .sandboxes = 2 }, 3, NULL },
		{ { .sandboxes = 3 },
		  { .sandboxes = 3 },
		  3,
		  "[policy] total_sandboxes = 3 refuses 1 more: 3 are taken" },
		{ { .sandboxes = 3 }, { .sandboxes = 4 }, TOTALS_RUNNING, NULL },
		{ { .cpus = 4 }, { .cpus = 2 }, 3, NULL },
		{ { .cpus = 4 },
		  { .cpus = 3 },
		  3,
		  "[policy] total_cpus = 4 refuses 2 more: 3 are taken" },
		{ { .cpus = 4 }, { .cpus = 3 }, TOTALS_KEPT, NULL },
		{ { .memory_mib = 1024 }, { .memory_mib = 512 }, 3, NULL },
		{ { .memory_mib = 1024 },
		  { .memory_mib = 513 },
		  3,
		  "[policy] total_memory = \"1G\" refuses 512M more: 513M are taken" },
		{ { .disk_mib = 4096 }, { .disk_mib = 2048 }, 3, NULL },
		{ { .disk_mib = 4096 },
		  { .disk_mib = 3072 },
		  3,
		  "[policy] total_disk = \"4G\" refuses 2G more: 3G are taken" },
		/* what was tightened below what there is */
		{ { .disk_mib = 1024 },
		  { .disk_mib = 1ULL << 40 },
		  3,
		  "[policy] total_disk = \"1G\" refuses 2G more: 1048576T are taken" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		int rc;

		spec.host.totals = cases[i].may;
		rc = totals_decide(&spec, cases[i].kinds, &cases[i].taken, &err);
		assert_int_equal(rc, cases[i].text ? -1 : 0);
		assert_string_equal(err.text, cases[i].text ? cases[i].text : "");
		assert_int_equal(err.code, cases[i].text ? ERR_FAILED : 0);
	}
	/* one without a disk is not kept from memory by disks */
	spec.host.totals = (struct host_totals){ .disk_mib = 1 };
	spec.disk_bytes = 0;
	assert_int_equal(
		totals_decide(&spec, 3, &(struct totals){ .disk_mib = 2 }, &(struct err){ 0 }), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_narrowing),
		cmocka_unit_test(test_words),	 cmocka_unit_test(test_who),
		cmocka_unit_test(test_lets),	 cmocka_unit_test(test_totals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
