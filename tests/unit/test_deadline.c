/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* The date: both bounds, reboots, clocks set back and forward, the host's high-water mark. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/deadline.h"

#define START 1000000
#define UP    500u
#define LIFE  86400

static struct deadline_now at(int64_t real_s, uint64_t boot_s, const char *boot_id)
{
	struct deadline_now now = { .real_s = real_s, .boot_s = boot_s };

	(void)strncpy(now.boot_id, boot_id, sizeof(now.boot_id) - 1);
	return now;
}

/* A sandbox granted LIFE at START, in boot "a", UP seconds after it. */
struct world {
	struct clock_record clock;
	struct deadline_record rec;
};

static struct world granted(void)
{
	struct deadline_now now = at(START, UP, "a");
	struct world w = { 0 };

	deadline_observe(&w.clock, &now);
	deadline_grant(&w.rec, &w.clock, &now, START + LIFE);
	return w;
}

static struct deadline_verdict look(struct world *w, int64_t real_s, uint64_t boot_s,
				    const char *boot_id)
{
	struct deadline_now now = at(real_s, boot_s, boot_id);

	deadline_observe(&w->clock, &now);
	return deadline_check(&w->rec, &w->clock, &now);
}

/* The same where the kernel says that the clock follows a reference. */
static struct deadline_verdict look_synced(struct world *w, int64_t real_s, uint64_t boot_s,
					   const char *boot_id)
{
	struct deadline_now now = at(real_s, boot_s, boot_id);

	now.synced = true;
	deadline_observe(&w->clock, &now);
	return deadline_check(&w->rec, &w->clock, &now);
}

static bool is_due(struct deadline_verdict v, uint64_t grace_s)
{
	return deadline_is_due(&v, grace_s);
}

static void book(struct world *w, int64_t real_s, uint64_t boot_s, const char *boot_id)
{
	struct deadline_now now = at(real_s, boot_s, boot_id);

	deadline_account(&w->rec, &now);
}

static void test_both_clocks_agree(void **state)
{
	struct world w = granted();
	struct deadline_verdict v;

	(void)state;
	v = look(&w, START + 10, UP + 10, "a");
	assert_false(v.expired);
	assert_int_equal(v.left_s, LIFE - 10);
	assert_false(look(&w, START + LIFE - 1, UP + LIFE - 1, "a").expired);
	v = look(&w, START + LIFE, UP + LIFE, "a");
	assert_true(v.expired);
	assert_true(v.confirmed);
	assert_int_equal(v.left_s, 0);
}

static void test_clock_set_back(void **state)
{
	struct world w = granted();

	(void)state;
	assert_false(look(&w, START + 100, UP + 100, "a").expired);
	assert_false(look(&w, START - 50000, UP + 200, "a").expired);
	/* the real clock is days behind, the life is over all the same */
	assert_true(look(&w, START - 50000 + LIFE, UP + LIFE + 2, "a").expired);
	assert_true(look(&w, START - 50000 + LIFE, UP + LIFE + 2, "a").confirmed);
}

static void test_over_by_either_clock(void **state)
{
	struct world w = granted();

	(void)state;
	assert_int_equal(look(&w, START + LIFE - 1, UP + LIFE - 1, "a").over_s, 0);
	assert_int_equal(look(&w, START + LIFE + 100, UP + LIFE + 100, "a").over_s, 100);
	/* set back by a year: the elapsed bound says it */
	assert_in_range(look(&w, START - 31536000, UP + LIFE + 200, "a").over_s, 199, 200);
	/* a fresh jump says nothing yet */
	w = granted();
	assert_int_equal(look(&w, START + 2 * LIFE, UP + 10, "a").over_s, 0);
}

static void test_elapsed_bound_is_never_early(void **state)
{
	struct world w = granted();

	(void)state;
	assert_false(look(&w, START - 100, UP + LIFE, "a").expired);
	assert_true(look(&w, START - 100, UP + LIFE + 1, "a").expired);
}

static void test_elapsed_over_boots(void **state)
{
	struct world w = granted();

	(void)state;
	book(&w, START + 40000, UP + 40001, "a");
	assert_int_equal(w.rec.elapsed_s, 40000);
	book(&w, START + 40060, UP + 40061, "a");
	assert_int_equal(w.rec.elapsed_s, 40060);
	/* reboot, and the clock set back: what was booked stays, and all of the new boot counts */
	assert_false(look(&w, START, 10, "b").expired);
	book(&w, START, 10, "b");
	assert_int_equal(w.rec.elapsed_s, 40070);
	assert_int_equal(look(&w, START, 20, "b").elapsed_left_s, LIFE - 40080);
	assert_true(look(&w, START, 10 + LIFE - 40070, "b").expired);
}

static void test_booking_twice_counts_once(void **state)
{
	struct world w = granted();

	(void)state;
	book(&w, START + 60, UP + 61, "a");
	book(&w, START + 60, UP + 61, "a");
	assert_int_equal(w.rec.elapsed_s, 60);
	/* a reading before the record's own start changes nothing */
	book(&w, START, UP, "a");
	assert_int_equal(w.rec.elapsed_s, 60);
}

static void test_high_water_mark_after_reboot(void **state)
{
	struct world w = granted();

	(void)state;
	/* the host was off past the date; a right clock saw it; then it went back and the host rebooted once more */
	assert_true(look_synced(&w, START + LIFE + 5, 30, "b").confirmed);
	assert_true(look(&w, START + 60, 30, "c").expired);
	assert_true(look(&w, START + 60, 30, "c").confirmed);
}

static void test_clock_ahead_at_boot(void **state)
{
	struct world w = granted();
	struct deadline_verdict v;

	(void)state;
	/* off for days, or a clock that is wrong: nobody knows; unreachable, but nothing is destroyed */
	v = look(&w, START + 10 * LIFE, 30, "b");
	assert_true(v.expired);
	assert_false(v.confirmed);
	v = look(&w, START + 10 * LIFE + 3599, 30 + 3599, "b");
	assert_false(v.confirmed);
	v = look(&w, START + 10 * LIFE + 3600, 30 + 3600, "b");
	assert_true(v.confirmed);
	assert_int_equal(v.over_s, 9 * LIFE + 3600);

	/* it was wrong: put right within the hour, it has left no mark */
	w = granted();
	assert_true(look(&w, START + 10 * LIFE, 30, "b").expired);
	assert_false(look(&w, START + 150, 60, "b").expired);
	assert_int_equal(w.clock.high_s, START + 150);

	/* another reboot begins the hour anew; a clock that gets synchronised ends it */
	w = granted();
	assert_false(look(&w, START + 2 * LIFE, 3000, "b").confirmed);
	assert_false(look(&w, START + 2 * LIFE + 1000, 1000, "c").confirmed);
	assert_true(look_synced(&w, START + 2 * LIFE + 1010, 1010, "c").confirmed);
	/* but within a boot its word is not enough for a leap */
	assert_false(look_synced(&w, START + 20 * LIFE, 1020, "c").expired &&
		     w.clock.jump_boot_s == 0);
}

static void test_short_reboot_is_believed(void **state)
{
	struct world w = granted();

	(void)state;
	(void)look(&w, START + LIFE - 60, UP + LIFE - 60, "a");
	assert_true(look(&w, START + LIFE + 10, 20, "b").confirmed);
}

#define YEAR 31557600ll

static void test_clock_off_by_years(void **state)
{
	static const int64_t wrong[] = {
		0,	   86400,	    START - 30 * YEAR, START + 20 * YEAR,
		1ll << 31, (1ll << 31) + 5, 1ll << 32,	       START + 130 * YEAR
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct world w = granted();
		struct deadline_verdict v = look(&w, wrong[i], UP + 100, "a");

		/* ahead: unreachable, nothing destroyed; behind: nothing changes */
		assert_int_equal(v.expired, wrong[i] > START);
		assert_false(v.confirmed);
		assert_int_equal(v.over_s, 0);
		/* put right, or not: the life that was granted ends when it ends */
		assert_false(look(&w, START + 200, UP + 200, "a").expired);
		v = look(&w, wrong[i], UP + LIFE + 5, "a");
		assert_true(v.confirmed);
		assert_int_equal(v.over_s, 4);
	}
}

static void test_born_at_the_epoch(void **state)
{
	struct deadline_now now = at(20, 20, "a");
	struct world w = { 0 };

	(void)state;
	deadline_observe(&w.clock, &now);
	deadline_grant(&w.rec, &w.clock, &now, 20 + LIFE);
	assert_false(look(&w, 30, 30, "a").expired);
	/* the clock is put right: a leap of half a century ends it at once, and keeps its disk */
	assert_true(look(&w, START, 40, "a").expired);
	assert_false(look(&w, START + 10, 50, "a").confirmed);
	assert_true(look(&w, START + LIFE, 50 + LIFE, "a").confirmed);
}

static void test_grace(void **state)
{
	struct world w = granted();
	const uint64_t grace = 7 * 86400;

	(void)state;
	assert_false(is_due(look(&w, START + LIFE - 1, UP + LIFE - 1, "a"), 0));
	assert_true(is_due(look(&w, START + LIFE, UP + LIFE, "a"), 0));
	assert_false(is_due(look(&w, START + LIFE, UP + LIFE, "a"), grace));
	assert_false(is_due(look(&w, START + LIFE + (int64_t)grace - 1, UP + LIFE + grace - 1, "a"),
			    grace));
	assert_true(is_due(look(&w, START + LIFE + (int64_t)grace, UP + LIFE + grace, "a"), grace));
}

static void test_grace_and_wrong_clocks(void **state)
{
	const uint64_t grace = 7 * 86400;
	struct world w = granted();

	(void)state;
	/* set back by years, with a reboot between: what has elapsed counts, booked by who looks */
	assert_false(is_due(look(&w, START + LIFE + 60, UP + LIFE + 60, "a"), grace));
	book(&w, START - 10 * YEAR, UP + LIFE + 60, "a");
	assert_false(is_due(look(&w, START - 10 * YEAR, 100, "b"), grace));
	book(&w, START - 10 * YEAR, 100, "b");
	assert_true(look(&w, START - 10 * YEAR, 200, "b").expired);
	assert_true(is_due(look(&w, START - 10 * YEAR, grace + 200, "b"), grace));

	/* a leap forward within the grace destroys nothing before it is confirmed, also after a reboot */
	w = granted();
	assert_false(is_due(look(&w, START + LIFE + 60, UP + LIFE + 60, "a"), grace));
	assert_false(is_due(look(&w, START + 5 * YEAR, UP + LIFE + 120, "a"), grace));
	assert_true(look(&w, START + 5 * YEAR, UP + LIFE + 120, "a").confirmed);
	assert_true(is_due(look(&w, START + 5 * YEAR, UP + LIFE + 3720, "a"), grace));
	w = granted();
	assert_false(is_due(look(&w, START + LIFE + 60, UP + LIFE + 60, "a"), grace));
	assert_false(is_due(look(&w, START + 5 * YEAR, 30, "b"), grace));
	assert_true(is_due(look(&w, START + 5 * YEAR + 3600, 3630, "b"), grace));
}

static void test_jump_forward_waits_with_the_disk(void **state)
{
	struct world w = granted();
	struct deadline_verdict v;

	(void)state;
	v = look(&w, START + LIFE + 100000, UP + 60, "a");
	assert_true(v.expired);
	assert_false(v.confirmed);
	v = look(&w, START + LIFE + 100000 + 1800, UP + 60 + 1800, "a");
	assert_true(v.expired);
	assert_false(v.confirmed);
	v = look(&w, START + LIFE + 100000 + 3600, UP + 60 + 3600, "a");
	assert_true(v.expired);
	assert_true(v.confirmed);
}

static void test_jump_forward_taken_back(void **state)
{
	struct world w = granted();

	(void)state;
	assert_true(look(&w, START + LIFE + 100000, UP + 60, "a").expired);
	assert_false(look(&w, START + 120, UP + 120, "a").expired);
	/* and it has left no mark */
	assert_int_equal(w.clock.jump_boot_s, 0);
	assert_int_equal(w.clock.high_s, START + 120);
}

static void test_small_steps_are_believed(void **state)
{
	struct world w = granted();
	struct deadline_verdict v = look(&w, START + LIFE, UP + LIFE - DEADLINE_JUMP_S, "a");

	(void)state;
	assert_true(v.expired);
	assert_true(v.confirmed);
}

static void test_granted_behind_the_mark(void **state)
{
	struct deadline_now now = at(START, UP, "b");
	struct world w = { 0 };

	(void)state;
	/* the clock was wrong for long, was believed, and has been put right: new sandboxes must live */
	(void)look(&w, START + 10 * LIFE, 5000, "a");
	deadline_observe(&w.clock, &now);
	deadline_grant(&w.rec, &w.clock, &now, START + LIFE);
	assert_false(look(&w, START + 10, UP + 10, "b").expired);
	assert_true(look(&w, START + LIFE, UP + LIFE, "b").expired);
}

static void test_renewal_counts_from_now(void **state)
{
	struct world w = granted();
	struct deadline_now now = at(START + 80000, UP + 80000, "a");

	(void)state;
	deadline_observe(&w.clock, &now);
	deadline_grant(&w.rec, &w.clock, &now, START + 80000 + LIFE);
	assert_int_equal(w.rec.elapsed_s, 0);
	assert_false(look(&w, START + 80000 + LIFE - 1, UP + 80000 + LIFE - 1, "a").expired);
	assert_true(look(&w, START + 80000 + LIFE, UP + 80000 + LIFE, "a").expired);
}

static void test_a_past_date_is_expired(void **state)
{
	struct deadline_now now = at(START, UP, "a");
	struct world w = { 0 };

	(void)state;
	deadline_observe(&w.clock, &now);
	deadline_grant(&w.rec, &w.clock, &now, START - 1);
	assert_true(deadline_check(&w.rec, &w.clock, &now).expired);
	deadline_grant(&w.rec, &w.clock, &now, START);
	assert_true(deadline_check(&w.rec, &w.clock, &now).expired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_clocks_agree),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_over_by_either_clock),
		cmocka_unit_test(test_elapsed_bound_is_never_early),
		cmocka_unit_test(test_elapsed_over_boots),
		cmocka_unit_test(test_booking_twice_counts_once),
		cmocka_unit_test(test_high_water_mark_after_reboot),
		cmocka_unit_test(test_clock_ahead_at_boot),
		cmocka_unit_test(test_short_reboot_is_believed),
		cmocka_unit_test(test_clock_off_by_years),
		cmocka_unit_test(test_born_at_the_epoch),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_grace_and_wrong_clocks),
		cmocka_unit_test(test_jump_forward_waits_with_the_disk),
		cmocka_unit_test(test_jump_forward_taken_back),
		cmocka_unit_test(test_small_steps_are_believed),
		cmocka_unit_test(test_granted_behind_the_mark),
		cmocka_unit_test(test_renewal_counts_from_now),
		cmocka_unit_test(test_a_past_date_is_expired),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
