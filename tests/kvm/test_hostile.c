/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What the monitor holds once the guest runs, and that nothing a guest or the host leaves in an odd state keeps its I/O
 * loop busy.
 *
 * test_hostile [CASE]   all cases, or one
 */
#include "tests/kvm/host.h"

#include <linux/landlock.h>
#include <sys/syscall.h>

#include "jail/enter.h"

#define QUIET_US    1000000
#define QUIET_TICKS 20 /* of 100 a second */

/* Ticks of CPU that the I/O thread, its first, has used. */
static long io_ticks(const struct run *run)
{
	const int pid = (int)run->child.pid;
	unsigned long user = 0, system = 0;
	char path[64], line[512];
	const char *p;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
	f = fopen(path, "re");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		die(path);
	(void)fclose(f);
	p = strrchr(line, ')');
	if (p == NULL ||
	    sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		fail(line);
	return (long)(user + system);
}

static void expect_quiet(const struct run *run)
{
	long before = io_ticks(run), used;

	(void)usleep(QUIET_US);
	used = io_ticks(run) - before;
	if (used <= QUIET_TICKS)
		return;
	printf("# %ld ticks of CPU in a second\n", used);
	exit(1);
}

/* ---- what it holds ---- */

static void check_descriptors(const struct run *run)
{
	static const int gone[] = { LAUNCH_FD_KVM, LAUNCH_FD_KERNEL, LAUNCH_FD_INITRD,
				    LAUNCH_FD_CONSOLE };
	char path[64], link[64];

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)run->child.pid, gone[i]);
		if (readlink(path, link, sizeof(link)) >= 0 || errno != ENOENT) {
			printf("# descriptor %d is still open\n", gone[i]);
			exit(1);
		}
	}
}

static void check_file_limit(const struct run *run)
{
	char path[64], line[256];
	unsigned long long limit = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)run->child.pid);
	f = fopen(path, "re");
	if (f == NULL)
		die(path);
	while (fgets(line, sizeof(line), f) != NULL &&
	       sscanf(line, "Max file size %llu", &limit) != 1)
		;
	(void)fclose(f);
	if (limit != DISK_BYTES) {
		printf("# files can grow to %llu bytes, the disk has %u\n", limit, DISK_BYTES);
		exit(1);
	}
}

static void check_holdings(struct run *run)
{
	const bool landlock =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;

	if (((run->ready_arg & JAIL_ENTER_NO_LANDLOCK) == 0) != landlock)
		fail("READY doesn't tell whether there is Landlock");
	check_descriptors(run);
	check_file_limit(run);
}

/* Larger than the disk that can be written. */
static void give_large_image(struct run *run)
{
	run->disks[1] = reopen_read_only(memory_file(4 * DISK_BYTES));
}

/* ---- odd states ---- */

static void lose_tap(struct run *run)
{
	wait_for_console(run, "idle\n");
	if (system("ip link del mftest0") != 0) /* in a network namespace of our own */
		fail("can't remove the tap");
	expect_quiet(run);
}

static void hang_up(struct run *run)
{
	int answered = hand_over(run, LAUNCH_MSG_CONNECT, 1000);
	int offered = hand_over(run, LAUNCH_MSG_OFFER, 2000);
	int unanswered;

	wait_for_console(run, "answered\n");
	unanswered = hand_over(run, LAUNCH_MSG_CONNECT, 1001);
	must((int)write(answered, "no credit for this", 18), "write");
	(void)shutdown(offered, SHUT_WR);
	expect_quiet(run);
	close(answered);
	close(offered);
	close(unanswered);
	expect_quiet(run);
}

/* The channel is read, the stream connected and served all the same. */
static void talk_in_storm(struct run *run)
{
	int sock = hand_over(run, LAUNCH_MSG_CONNECT, 1000);

	for (int i = 0; i < 20; i++)
		expect_echo(sock, "still here?", "still here?");
	close(sock);
}

static const struct test tests[] = {
	{ "what it holds", "halt", .n_disks = 2, .prepare = give_large_image,
	  .meanwhile = check_holdings, .end = LAUNCH_END_HALTED, .expect = "halting\n" },
	{ "tap removed under it", "idle", LAUNCH_NET, .prepare = make_tap, .meanwhile = lose_tap,
	  .end = LAUNCH_END_KEEPER_LOST },
	{ "streams hung up", "idle", LAUNCH_VSOCK, .meanwhile = hang_up,
	  .end = LAUNCH_END_KEEPER_LOST },
	{ "storm of doorbells", "storm", LAUNCH_VSOCK, .meanwhile = talk_in_storm,
	  .end = LAUNCH_END_RESET },
	{ "guest without memory to run", "astray", .end = LAUNCH_END_KVM_ERROR,
	  .expect = "astray\n" },
};

int main(int argc, char **argv)
{
	return run_tests(tests, ARRAY_SIZE(tests), argc, argv);
}
