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
	/* the host was off past the date; somebody saw it; then the clock went back and it rebooted once more */
	assert_true(look(&w, START + LIFE + 5, 30, "b").expired);
	assert_true(look(&w, START + 60, 30, "c").expired);
	assert_true(look(&w, START + 60, 30, "c").confirmed);
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
