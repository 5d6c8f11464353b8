/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What is decided about a sandbox: its state as users see it, what reap does about it, how deep an end goes, why a monitor
 * is gone. All combinations of the facts are gone through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "keeper/life.h"
#include "keeper/reap_decide.h"
#include "keeper/teardown.h"
#include "store/entry.h"

static void test_reap_never_touches_the_held(void **state)
{
	struct reap_facts f;
	uint32_t reason;

	(void)state;
	for (unsigned bits = 0; bits < 256; bits++) {
		f = (struct reap_facts){ .held = true,
					 .has_spec = bits & 1,
					 .durable = bits & 2,
					 .has_disk = bits & 4,
					 .ran = bits & 8,
					 .here = bits & 16,
					 .expired = bits & 32,
					 .due = bits & 64,
					 .end = bits & 128 ? END_STOPPED : 0 };
		assert_int_equal(reap_decide(&f, &reason), REAP_LEAVE);
		f.overdue = true;
		assert_int_equal(reap_decide(&f, &reason), REAP_KILL_THEN_ALL);
		assert_int_equal(reason, END_EXPIRED);
		f.grace = true; /* a keeper that hangs doesn't cost the disk its grace */
		assert_int_equal(reap_decide(&f, &reason), REAP_KILL_THEN_GRACE);
	}
}

static void test_reap_keeps_only_what_may_stay(void **state)
{
	uint32_t reason;

	(void)state;
	for (unsigned bits = 0; bits < 512; bits++) {
		struct reap_facts f = { .has_spec = bits & 1,
					.durable = bits & 2,
					.has_disk = bits & 4,
					.ran = bits & 8,
					.here = bits & 16,
					.expired = bits & 32,
					.due = bits & 64,
					.other_boot = bits & 128,
					.end = bits & 256 ? END_GUEST_POWEROFF : 0 };
		enum reap_act act = reap_decide(&f, &reason);

		assert_int_not_equal(act, REAP_KILL_THEN_ALL);
		/* nothing that isn't a durable sandbox with a spec stays */
		if (!f.has_spec || !f.durable)
			assert_int_equal(act, REAP_ALL);
		/* nothing of this boot stays as it is */
		if (f.here)
			assert_true(act == REAP_STOP || act == REAP_GRACE || act == REAP_ALL);
		/* a disk goes only on a confirmed expiry, with a lost keeper, or when there was never a sandbox */
		if (f.has_spec && f.durable && f.has_disk && f.ran && f.expired && !f.due &&
		    !f.here)
			assert_int_equal(act, REAP_BOOK);
		/* and then with the first reap, also where one before it left half of its work */
		if (f.has_spec && f.expired && f.due)
			assert_int_equal(act, REAP_ALL);
		assert_true(reason > 0 && reason < END_REASONS);
	}
}

/* Something of it could not be read: it is left alone until its date, and that ends it all the same. */
static void test_reap_of_the_half_known(void **state)
{
	struct reap_facts whole;
	uint32_t reason;

	(void)state;
	for (unsigned bits = 0; bits < 2048; bits++) {
		struct reap_facts f = { .has_spec = bits & 1,
					.durable = bits & 2,
					.has_disk = bits & 4,
					.ran = bits & 8,
					.here = bits & 16,
					.expired = bits & 32,
					.due = bits & 64,
					.left = bits & 128,
					.unread = bits & 256,
					.grace = bits & 512,
					.end = bits & 1024 ? END_STOPPED : 0 };
		enum reap_act act;

		whole = f;
		f.half = true;
		act = reap_decide(&f, &reason);
		assert_int_not_equal(act, REAP_BOOK);
		if (!f.expired || (!f.has_spec && !f.due))
			assert_int_equal(act, REAP_LEAVE);
		else if (reap_decide(&whole, &reason) != REAP_BOOK)
			assert_int_equal(act, reap_decide(&whole, &reason));
		f.held = f.overdue = true;
		assert_int_equal(reap_decide(&f, &reason),
				 f.grace ? REAP_KILL_THEN_GRACE : REAP_KILL_THEN_ALL);
	}
}

static void test_reap_cases(void **state)
{
	static const struct {
		struct reap_facts facts;
		enum reap_act act;
		uint32_t reason;
	} cases[] = {
		{ { .has_spec = 1, .durable = 1, .ran = 1, .here = 1 }, REAP_ALL, END_KEEPER_LOST },
		{ { .has_spec = 1, .here = 1 }, REAP_ALL, END_CREATE_FAILED },
		{ { .here = 1 }, REAP_ALL, END_CREATE_FAILED },
		{ { .has_spec = 1, .durable = 1, .ran = 1 }, REAP_BOOK, END_HOST_REBOOT },
		{ { .has_spec = 1, .ran = 1 }, REAP_ALL, END_HOST_REBOOT },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .here = 1, .other_boot = 1 },
		  REAP_STOP,
		  END_HOST_REBOOT },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .end = END_STOPPED },
		  REAP_BOOK,
		  END_HOST_REBOOT },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .here = 1, .end = END_STOPPED },
		  REAP_STOP,
		  END_STOPPED },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .here = 1, .end = END_DESTROYED },
		  REAP_ALL,
		  END_DESTROYED },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .expired = 1, .due = 1 },
		  REAP_ALL,
		  END_EXPIRED },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .left = 1, .end = END_DESTROYED },
		  REAP_ALL,
		  END_DESTROYED },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .left = 1, .end = END_STOPPED },
		  REAP_STOP,
		  END_STOPPED },
		/* half removed, and its date came since: by what had ended it */
		{ { .ran = 1, .expired = 1, .due = 1, .here = 1, .end = END_DESTROYED },
		  REAP_ALL,
		  END_DESTROYED },
		{ { .ran = 1, .expired = 1, .due = 1, .here = 1 }, REAP_ALL, END_EXPIRED },
		{ { .has_spec = 1, .durable = 1, .ran = 1, .expired = 1 }, REAP_ALL, END_EXPIRED },
		{ { .has_spec = 1, .durable = 1, .has_disk = 1, .ran = 1, .expired = 1, .here = 1 },
		  REAP_GRACE,
		  END_EXPIRED },
		/* a spec that can't be read costs no disk before its date, also where its last run left something */
		{ { .unread = 1,
		    .durable = 1,
		    .has_disk = 1,
		    .ran = 1,
		    .here = 1,
		    .end = END_STOPPED },
		  REAP_STOP,
		  END_STOPPED },
		{ { .unread = 1,
		    .durable = 1,
		    .has_disk = 1,
		    .ran = 1,
		    .here = 1,
		    .left = 1,
		    .end = END_DESTROYED },
		  REAP_ALL,
		  END_DESTROYED },
		{ { .unread = 1,
		    .durable = 1,
		    .has_disk = 1,
		    .ran = 1,
		    .here = 1,
		    .end = END_STOPPED,
		    .expired = 1,
		    .due = 1 },
		  REAP_ALL,
		  END_EXPIRED },
		{ { .unread = 1, .ran = 1, .here = 1, .end = END_STOPPED }, REAP_ALL, END_STOPPED },
		{ { .unread = 1, .durable = 1, .ran = 1, .here = 1, .other_boot = 1 },
		  REAP_STOP,
		  END_HOST_REBOOT },
		/* in its grace: access goes once, then each minute is booked; unconfirmed: nothing but that */
		{ { .has_spec = 1,
		    .durable = 1,
		    .has_disk = 1,
		    .ran = 1,
		    .expired = 1,
		    .grace = 1,
		    .end = END_STOPPED },
		  REAP_GRACE,
		  END_EXPIRED },
		{ { .has_spec = 1,
		    .durable = 1,
		    .has_disk = 1,
		    .ran = 1,
		    .expired = 1,
		    .grace = 1,
		    .end = END_EXPIRED },
		  REAP_BOOK,
		  END_EXPIRED },
		{ { .has_spec = 1,
		    .durable = 1,
		    .has_disk = 1,
		    .ran = 1,
		    .expired = 1,
		    .end = END_STOPPED },
		  REAP_BOOK,
		  END_EXPIRED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t reason;

		assert_int_equal(reap_decide(&cases[i].facts, &reason), cases[i].act);
		assert_int_equal(reason, cases[i].reason);
	}
}

static void test_depth(void **state)
{
	struct spec durable = { .flags = SPEC_DURABLE, .disk_bytes = 1 },
		    ephemeral = { .disk_bytes = 1 };

	(void)state;
	for (uint32_t reason = 1; reason < END_REASONS; reason++)
		assert_int_equal(teardown_depth_for(&ephemeral, reason, false), TEARDOWN_ALL);
	assert_int_equal(teardown_depth_for(&durable, END_DESTROYED, false), TEARDOWN_ALL);
	assert_int_equal(teardown_depth_for(&durable, END_EXPIRED, true), TEARDOWN_ALL);
	assert_int_equal(teardown_depth_for(&durable, END_EXPIRED, false), TEARDOWN_GRACE);
	assert_int_equal(teardown_depth_for(&durable, END_GUEST_POWEROFF, true), TEARDOWN_STOP);
	assert_int_equal(teardown_depth_for(&durable, END_OOM, true), TEARDOWN_STOP);
	assert_int_equal(teardown_depth_for(&durable, END_KEEPER_LOST, false), TEARDOWN_ALL);
}

static void test_death(void **state)
{
	static const struct {
		struct life_death death;
		enum end_reason reason;
	} cases[] = {
		{ { .launch_end = LAUNCH_END_RESET, .guest_end = GUEST_END_POWEROFF },
		  END_GUEST_POWEROFF },
		{ { .launch_end = LAUNCH_END_RESET, .guest_end = GUEST_END_REBOOT },
		  END_GUEST_REBOOT },
		{ { .launch_end = LAUNCH_END_RESET, .guest_end = GUEST_END_HALT }, END_GUEST_HALT },
		{ { .launch_end = LAUNCH_END_RESET, .guest_end = GUEST_END_FAILED },
		  END_GUEST_PANIC },
		{ { .launch_end = LAUNCH_END_RESET, .guest_end = 77 }, END_GUEST_PANIC },
		{ { .launch_end = LAUNCH_END_RESET }, END_GUEST_PANIC },
		{ { .launch_end = LAUNCH_END_RESET, .guest_end = GUEST_END_DEADLINE, .left_s = 3 },
		  END_EXPIRED },
		{ { .launch_end = LAUNCH_END_RESET,
		    .guest_end = GUEST_END_DEADLINE,
		    .left_s = 3600 },
		  END_GUEST_POWEROFF },
		{ { .launch_end = LAUNCH_END_HALTED }, END_GUEST_HALT },
		{ { .launch_end = LAUNCH_END_HALTED, .guest_end = GUEST_END_POWEROFF },
		  END_GUEST_POWEROFF },
		{ { .launch_end = LAUNCH_END_KVM_ERROR }, END_MONITOR_CRASH },
		{ { .trapped = true }, END_SECCOMP },
		{ { .child_code = CLD_EXITED, .child_status = 31 }, END_SECCOMP },
		{ { .child_code = CLD_KILLED, .child_status = SIGSYS }, END_SECCOMP },
		{ { .child_code = CLD_DUMPED, .child_status = SIGILL }, END_MONITOR_CRASH },
		{ { .child_code = CLD_KILLED, .child_status = SIGKILL }, END_MONITOR_CRASH },
		{ { .child_code = CLD_KILLED, .child_status = SIGKILL, .oom = true }, END_OOM },
		{ { .child_code = CLD_EXITED, .child_status = 1 }, END_MONITOR_CRASH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[112] = "";

		assert_int_equal(life_reason(&cases[i].death, text, sizeof(text)), cases[i].reason);
	}
}

static void test_entry_states(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 256; bits++) {
		struct entry_facts f = { .lock_held = bits & 1,
					 .same_boot = bits & 2,
					 .has_spec = bits & 4,
					 .has_status = bits & 8,
					 .has_end = bits & 16,
					 .has_ready = bits & 32,
					 .durable = bits & 64,
					 .expired = bits & 128,
					 .in_grace = (bits & 192) == 192,
					 .phase = STATUS_RUNNING };
		enum store_state s = entry_decide(&f);

		/* nothing runs without a holder of the lock, whatever is stored; one that rests may be looked at */
		bool looked_at = f.lock_held && s == STORE_STOPPED && f.has_end && !f.has_status;

		assert_true((f.lock_held && !looked_at) ==
			    (s == STORE_CREATING || s == STORE_RUNNING || s == STORE_ENDING));
		if (s == STORE_STOPPED)
			assert_true(f.durable && f.has_spec && !f.expired &&
				    !(f.has_status && f.same_boot));
		if (s == STORE_GRACE)
			assert_true(f.expired && f.durable && f.has_spec);
		if (s == STORE_RUNNING)
			assert_true(f.has_status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reap_never_touches_the_held),
		cmocka_unit_test(test_reap_keeps_only_what_may_stay),
		cmocka_unit_test(test_reap_of_the_half_known),
		cmocka_unit_test(test_reap_cases),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_entry_states),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
