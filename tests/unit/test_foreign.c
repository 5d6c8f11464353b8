/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Other tools' forward chains, as nft prints them, and what becomes of a sandbox's packets in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bug.h"
#include "keeper/foreign.h"

static const struct foreign_packet out = { .iif = "mf-00000000", .oif = "eth0" };
static const struct foreign_packet back = { .iif = "eth0",
					    .oif = "mf-00000000",
					    .established = true };

/* A table with one base chain `c` of these rules, and with what else it jumps to. */
#define TABLE(policy, rules, others)                                                               \
	"table inet t {\n" others "\tchain c {\n\t\ttype filter hook forward priority filter; "    \
	"policy " policy ";\n" rules "\t}\n}\n"
#define RULE(text) "\t\t" text "\n"

static void test_rules(void **state)
{
	static const struct {
		const char *listing;
		enum foreign_verdict out, back;
	} cases[] = {
		{ TABLE("accept", "", ""), FOREIGN_PASSES, FOREIGN_PASSES },
		{ TABLE("drop", "", ""), FOREIGN_DROPS, FOREIGN_DROPS },
		{ TABLE("accept", RULE("drop"), ""), FOREIGN_DROPS, FOREIGN_DROPS },
		{ TABLE("accept", RULE("counter reject with icmpx admin-prohibited"), ""),
		  FOREIGN_DROPS, FOREIGN_DROPS },
		{ TABLE("drop", RULE("ct state established,related accept"), ""), FOREIGN_DROPS,
		  FOREIGN_PASSES },
		{ TABLE("drop", RULE("ct state { established, related } counter accept"), ""),
		  FOREIGN_DROPS, FOREIGN_PASSES },
		{ TABLE("drop",
			RULE("ct state vmap { established : accept, related : accept, invalid : "
			     "drop }") RULE("iifname \"mf-*\" accept"),
			""),
		  FOREIGN_PASSES, FOREIGN_PASSES },
		{ TABLE("drop", RULE("ct state invalid drop") RULE("iifname != \"eth0\" accept"),
			""),
		  FOREIGN_PASSES, FOREIGN_DROPS },
		{ TABLE("drop", RULE("iifname { \"lo\", \"virbr0\" } accept"), ""), FOREIGN_DROPS,
		  FOREIGN_DROPS },
		{ TABLE("drop",
			RULE("iifname \"mf-*\" oifname \"eth0\" counter accept comment \"a b\"")
				RULE("ct state related,established accept"),
			""),
		  FOREIGN_PASSES, FOREIGN_PASSES },
		/* what can't be decided could let it pass, but an undecided drop drops nothing for sure */
		{ TABLE("drop", RULE("ip saddr 10.0.0.0/8 accept"), ""), FOREIGN_UNSURE,
		  FOREIGN_UNSURE },
		{ TABLE("drop", RULE("ip saddr @blocked drop"), ""), FOREIGN_DROPS, FOREIGN_DROPS },
		{ TABLE("accept", RULE("tcp dport 25 drop"), ""), FOREIGN_PASSES, FOREIGN_PASSES },
		{ TABLE("accept", RULE("ip daddr 10.0.0.0/8 return") RULE("drop"), ""),
		  FOREIGN_UNSURE, FOREIGN_UNSURE },
		{ TABLE("accept", RULE("meta nfproto ipv6 drop"), ""), FOREIGN_PASSES,
		  FOREIGN_PASSES },
		{ TABLE("accept", RULE("log prefix \"drop accept \" level info drop"), ""),
		  FOREIGN_DROPS, FOREIGN_DROPS },
		{ TABLE("accept", RULE("# drop"), ""), FOREIGN_PASSES, FOREIGN_PASSES },
		/* other chains */
		{ TABLE("drop", RULE("jump mine"),
			"\tchain mine {\n" RULE("iifname \"mf-*\" accept")
				RULE("oifname \"mf-*\" accept") "\t}\n"),
		  FOREIGN_PASSES, FOREIGN_PASSES },
		{ TABLE("accept", RULE("goto mine") RULE("accept"),
			"\tchain mine {\n" RULE("iifname \"mf-*\" drop") "\t}\n"),
		  FOREIGN_DROPS, FOREIGN_PASSES },
		{ TABLE("drop", RULE("jump mine") RULE("accept"),
			"\tchain mine {\n" RULE("return") RULE("drop") "\t}\n"),
		  FOREIGN_PASSES, FOREIGN_PASSES },
		{ TABLE("drop", RULE("goto loop"), "\tchain loop {\n" RULE("jump loop") "\t}\n"),
		  FOREIGN_UNSURE, FOREIGN_UNSURE },
		{ TABLE("drop", RULE("jump elsewhere"), ""), FOREIGN_UNSURE, FOREIGN_UNSURE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (foreign_judge(cases[i].listing, "c", &out) != cases[i].out ||
		    foreign_judge(cases[i].listing, "c", &back) != cases[i].back)
			fail_msg("%s%d %d", cases[i].listing,
				 foreign_judge(cases[i].listing, "c", &out),
				 foreign_judge(cases[i].listing, "c", &back));
}

/* Docker's table, before and after the accepts of host up. */
#define DOCKER(user)                                                                               \
	"table ip filter {\n"                                                                      \
	"\tchain DOCKER {\n\t}\n\n"                                                                \
	"\tchain DOCKER-USER {\n" user "\t\tcounter return\n\t}\n\n"                               \
	"\tchain DOCKER-ISOLATION-STAGE-1 {\n"                                                     \
	"\t\tiifname \"docker0\" oifname != \"docker0\" counter jump DOCKER-ISOLATION-STAGE-2\n"   \
	"\t\tcounter return\n\t}\n\n"                                                              \
	"\tchain DOCKER-ISOLATION-STAGE-2 {\n\t\toifname \"docker0\" counter drop\n"               \
	"\t\tcounter return\n\t}\n\n"                                                              \
	"\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n"          \
	"\t\tcounter jump DOCKER-USER\n\t\tcounter jump DOCKER-ISOLATION-STAGE-1\n"                \
	"\t\toifname \"docker0\" ct state related,established counter accept\n"                    \
	"\t\toifname \"docker0\" counter jump DOCKER\n"                                            \
	"\t\tiifname \"docker0\" oifname != \"docker0\" counter accept\n"                          \
	"\t\tiifname \"docker0\" oifname \"docker0\" counter accept\n\t}\n}\n"

static void test_docker(void **state)
{
	static const char with[] =
		DOCKER("\t\tiifname \"mf-*\" accept comment \"mayfly host up\"\n"
		       "\t\toifname \"mf-*\" accept comment \"mayfly host up\"\n");

	(void)state;
	assert_int_equal(foreign_judge(DOCKER(""), "FORWARD", &out), FOREIGN_DROPS);
	assert_int_equal(foreign_judge(DOCKER(""), "FORWARD", &back), FOREIGN_DROPS);
	assert_int_equal(foreign_judge(with, "FORWARD", &out), FOREIGN_PASSES);
	assert_int_equal(foreign_judge(with, "FORWARD", &back), FOREIGN_PASSES);
}

/* firewalld 1.3 with the default zone public, as it is and with mf-+ in the zone trusted. */
#define FIREWALLD(zones)                                                                           \
	"table inet firewalld {\n"                                                                 \
	"\tchain filter_FORWARD {\n"                                                               \
	"\t\ttype filter hook forward priority filter + 10; policy accept;\n"                      \
	"\t\tct state { established, related } accept\n\t\tct status dnat accept\n"                \
	"\t\tiifname \"lo\" accept\n\t\tct state invalid drop\n"                                   \
	"\t\tip6 daddr { ::/96, ::ffff:0.0.0.0/96 } reject with icmpv6 addr-unreachable\n"         \
	"\t\tjump filter_FORWARD_ZONES\n\t\treject with icmpx admin-prohibited\n\t}\n\n"           \
	"\tchain filter_FORWARD_ZONES {\n" zones "\t\tgoto filter_FWD_public\n\t}\n\n"             \
	"\tchain filter_FWD_trusted {\n\t\taccept\n\t}\n\n"                                        \
	"\tchain filter_FWD_public {\n\t\tjump filter_FWD_public_allow\n"                          \
	"\t\treject with icmpx admin-prohibited\n\t}\n\n"                                          \
	"\tchain filter_FWD_public_allow {\n\t\toifname \"eth1\" accept\n\t}\n}\n"

static void test_firewalld(void **state)
{
	static const char trusted[] = FIREWALLD("\t\tiifname \"mf-*\" goto filter_FWD_trusted\n");

	(void)state;
	assert_int_equal(foreign_judge(FIREWALLD(""), "filter_FORWARD", &out), FOREIGN_DROPS);
	assert_int_equal(foreign_judge(FIREWALLD(""), "filter_FORWARD", &back), FOREIGN_PASSES);
	assert_int_equal(foreign_judge(trusted, "filter_FORWARD", &out), FOREIGN_PASSES);
}

/* A host whose uplink isn't known: interfaces that aren't the tap's can't be decided. */
static void test_unknown_uplink(void **state)
{
	static const struct foreign_packet somewhere = { .iif = "mf-00000000", .oif = "" };
	static const char listing[] = TABLE("drop", RULE("oifname \"eth0\" accept"), "");

	(void)state;
	assert_int_equal(foreign_judge(listing, "c", &somewhere), FOREIGN_UNSURE);
	assert_int_equal(foreign_judge(listing, "c", &out), FOREIGN_PASSES);
	assert_int_equal(foreign_judge("", "c", &out), FOREIGN_PASSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_firewalld),
		cmocka_unit_test(test_unknown_uplink),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
