/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Rate limits hold, by bytes and by operations, for what a guest sends, receives and reads: it does 60 things each, 20 of
 * which its burst lets through at once, and 20 a second after that.
 *
 * test_rates [CASE]   all cases, or one
 */
#include "tests/kvm/host.h"

#include <time.h>

#define N     60
#define BURST 20
#define RATE  20
#define LEAST 1.7 /* seconds: 40 at 20 a second */
#define MOST  6.0 /* as much as twice the work would take, and what a busy host adds */

#define FRAME_LEN 1012 /* with its header */
#define READ_LEN  (16 + 4096 + 1)

static struct launch_rate by_bytes(uint64_t len)
{
	return (struct launch_rate){ .bytes_per_s = RATE * len, .burst_bytes = BURST * len };
}

static void limit_bytes(struct run *run)
{
	make_tap(run);
	run->record.rates[LAUNCH_BUCKET_NET_RX] = by_bytes(FRAME_LEN);
	run->record.rates[LAUNCH_BUCKET_NET_TX] = by_bytes(FRAME_LEN);
	run->record.rates[LAUNCH_BUCKET_DISK] = by_bytes(READ_LEN);
}

static void limit_operations(struct run *run)
{
	make_tap(run);
	for (int i = 0; i < LAUNCH_BUCKETS; i++)
		run->record.rates[i] =
			(struct launch_rate){ .ops_per_s = RATE, .burst_ops = BURST };
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* When a text came: not before the last look that didn't find it (since: what it came after), not after the first that did. */
struct moment {
	double after, before;
};

static struct moment moment_of(const struct run *run, const char *text, double since)
{
	const char *ring = (const char *)(run->ring + 1);
	struct moment m = { .after = since };

	for (;;) {
		m.before = now();
		if (strstr(ring, text) != NULL)
			break;
		m.after = m.before;
		(void)usleep(5000); /* alarm(2) ends it */
	}
	m.before = now();
	return m;
}

/* However late this process comes to look: what took at least that long and at most that long is held to both bounds. */
static void expect_time(const char *what, const struct moment *from, const struct moment *to,
			double least, double most)
{
	const double shortest = to->after - from->before, longest = to->before - from->after;

	printf("# %s: %.2f to %.2f s\n", what, shortest > 0 ? shortest : 0, longest);
	if (longest < least || shortest > most)
		fail("not in time");
}

/* The tap's queue holds what the guest may not have yet. */
static void send_frames(struct run *run)
{
	uint8_t frame[FRAME_LEN - 12] = { 0x02, 0x4d, 0x46, 0, 0, 1, 2, 2, 2, 2, 2, 2, 0x88, 0xb5 };

	wait_for_console(run, "receiving\n");
	for (int i = 0; i < N + BURST; i++)
		must((int)send(run->tap_peer, frame, sizeof(frame), 0), "send");
}

static void hold_watch(struct run *run, double least, double most)
{
	static const char *const what[][3] = { { "60 frames sent", "sending\n", "ok sent" },
					       { "60 blocks read", "reading\n", "ok read" } };
	struct moment from, to = { .after = now() };

	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		from = moment_of(run, what[i][1], to.after);
		to = moment_of(run, what[i][2], from.after);
		expect_time(what[i][0], &from, &to, least, most);
	}
	from = moment_of(run, "receiving\n", to.after);
	send_frames(run);
	to = moment_of(run, "ok received", from.after);
	/* the host's kernel has sent frames of its own meanwhile, which count too */
	expect_time("60 frames received", &from, &to, least, most);
}

static void expect_limited(struct run *run)
{
	hold_watch(run, LEAST, MOST);
}

static void expect_fast(struct run *run)
{
	hold_watch(run, 0, LEAST);
}

static const struct test tests[] = {
	{ "bytes", "rates", LAUNCH_NET, .n_disks = 1, .prepare = limit_bytes,
	  .meanwhile = expect_limited, .end = LAUNCH_END_RESET },
	{ "operations", "rates", LAUNCH_NET, .n_disks = 1, .prepare = limit_operations,
	  .meanwhile = expect_limited, .end = LAUNCH_END_RESET },
	{ "no limit", "rates", LAUNCH_NET, .n_disks = 1, .prepare = make_tap,
	  .meanwhile = expect_fast, .end = LAUNCH_END_RESET },
};

int main(int argc, char **argv)
{
	return run_tests(tests, ARRAY_SIZE(tests), argc, argv);
}
