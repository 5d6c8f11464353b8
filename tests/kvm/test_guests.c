/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Micro-guests on the host's /dev/kvm: every device does its work, every end is told, bad launches are refused.
 *
 * test_guests [CASE]   all cases, or one
 */
#include "tests/kvm/host.h"

#include <sys/stat.h>

#include <elf.h>

/* ---- the cases ---- */

static void fill_disk(struct run *run)
{
	must((int)pwrite(run->disks[0], "from the host", 13, 5 * 512), "pwrite");
}

/* A file system that can keep the place of zeroes, as tmpfs can't. */
static void fill_file(struct run *run)
{
	run->disks[0] = must(open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "/var/tmp");
	must(ftruncate(run->disks[0], DISK_BYTES), "ftruncate");
	fill_disk(run);
}

static void check_disk(struct run *run)
{
	struct stat st;
	char text[15];

	must(fstat(run->disks[0], &st), "fstat");
	if (st.st_blocks != 8) { /* of all that was written the first page is left */
		printf("# %ld blocks\n", (long)st.st_blocks);
		fail("the holes aren't on the disk");
	}
	must((int)pread(run->disks[0], text, sizeof(text), 7 * 512), "pread");
	if (memcmp(text, "from the guest", sizeof(text)) != 0)
		fail("the guest's sector isn't on the disk");
}

/* Frames of our own ethertype, which nothing else on that link sends. */
static void expect_frame(int sock, const char *text)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	uint8_t frame[2048];

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail("no frame from the guest in time");
	if (recv(sock, frame, sizeof(frame), 0) != 60 || memcmp(frame + 14, text, 4) != 0)
		fail("another frame than the guest's");
}

static void play_peer(struct run *run)
{
	const uint8_t pong[60] = { 0x02, 0x4d, 0x46, 0,	   0,	 1,   2,   2,	2,
				   2,	 2,    2,    0x88, 0xb5, 'p', 'o', 'n', 'g' };

	expect_frame(run->tap_peer, "ping");
	must((int)send(run->tap_peer, pong, sizeof(pong), 0), "send");
	expect_frame(run->tap_peer, "pong");
}

static void play_balloon(struct run *run)
{
	wait_for_console(run, "ok no target");
	/* with a descriptor it is no such message, and the descriptor doesn't stay */
	expect_eof(hand_over(run, LAUNCH_MSG_BALLOON, 8));
	expect_eof(hand_over(run, LAUNCH_MSG_CONSOLE_SIZE, 80));
	send_message(run, LAUNCH_MSG_BALLOON, 4, NULL, 0, -1);
	wait_for_console(run, "ok 4 MiB are wanted");
	send_message(run, LAUNCH_MSG_BALLOON, UINT32_MAX, NULL, 0, -1);
}

static void talk(struct run *run)
{
	int offered = hand_over(run, LAUNCH_MSG_OFFER, 2000);
	int connected = hand_over(run, LAUNCH_MSG_CONNECT, 1000);

	/* nothing of this is a stream for the guest, and none of it harms */
	send_message(run, 77, 0, NULL, 0, -1);
	send_message(run, LAUNCH_MSG_CONNECT, 1000, NULL, 0, -1);
	send_message(run, LAUNCH_MSG_CONNECT, 1000, "too long", 8, run->urandom);
	expect_eof(hand_over(run, 77, 1000));
	expect_echo(connected, "hello\n", "HELLO\n");
	expect_echo(offered, "offered\n", "OFFERED\n");
	expect_echo(connected, "again\n", "AGAIN\n");
	shutdown(connected, SHUT_WR);
	expect_eof(connected);
	close(offered);
}

/* One thing is other than agreed. */
#define SPOIL(name, how)                                                                           \
	static void name(struct run *run)                                                          \
	{                                                                                          \
		how;                                                                               \
	}

static void give_initrd(struct run *run)
{
	int fd = memory_file(5);

	must((int)pwrite(fd, "five\n", 5, 0), "pwrite");
	run->initrd = reopen_read_only(fd);
}

/* A kernel whose entry point is a virtual address, as that of a kernel that isn't Linux may be. */
static void give_virtual_entry(struct run *run)
{
	static char bytes[1u << 20];
	ssize_t n = read(run->kernel, bytes, sizeof(bytes));
	int fd = memory_file((size_t)must((int)n, "read"));

	((Elf64_Ehdr *)(void *)bytes)->e_entry = 0xffffffff80100000;
	must((int)pwrite(fd, bytes, (size_t)n, 0), "pwrite");
	run->kernel = reopen_read_only(fd);
}

SPOIL(give_text_as_kernel, run->kernel = must(open("Makefile", O_RDONLY | O_CLOEXEC), "Makefile"))
SPOIL(give_writable_kernel, run->kernel = memory_file(4096))
SPOIL(give_large_initrd, run->initrd = reopen_read_only(memory_file(16u << 20)))
SPOIL(give_read_only_disk, run->record.disks[1].flags = 0)
SPOIL(give_two_vcpus, run->record.n_vcpus = 2)
SPOIL(give_nine_vcpus, run->record.n_vcpus = 9)
SPOIL(give_no_memory, run->record.memory_bytes = 0)
SPOIL(give_other_version, run->record.version++)
SPOIL(give_unknown_flag, run->record.flags |= 1u << 31)
SPOIL(give_host_cid, (run->record.flags |= LAUNCH_VSOCK, run->record.guest_cid = 2))
SPOIL(give_padding, run->record.pad[1] = 1)
SPOIL(give_long_cmdline, memset(run->record.cmdline, 'x', sizeof(run->record.cmdline) - 1))
SPOIL(give_endless_cmdline, memset(run->record.cmdline, 'x', sizeof(run->record.cmdline)))

#define GUEST(g) .name = g, .guest = g
#define REFUSED(what, how, text)                                                                   \
	{                                                                                          \
		.name = what, .guest = "console", .n_disks = 2, .prepare = how, .expect = text     \
	}

static const struct test tests[] = {
	{ GUEST("console"), .end = LAUNCH_END_RESET,
	  .expect = "hello from the guest\nand once more\n" },
	{ GUEST("halt"), .end = LAUNCH_END_HALTED, .expect = "halting\n" },
	{ "halt before the second vCPU starts", "halt", .prepare = give_two_vcpus,
	  .end = LAUNCH_END_HALTED, .expect = "halting\n" },
	{ GUEST("irq"), .end = LAUNCH_END_RESET },
	{ GUEST("rng"), .end = LAUNCH_END_RESET },
	{ GUEST("blk"), .n_disks = 2, .prepare = fill_disk, .afterwards = check_disk,
	  .end = LAUNCH_END_RESET },
	{ "blk on a file", "blk", .n_disks = 2, .prepare = fill_file, .afterwards = check_disk,
	  .end = LAUNCH_END_RESET },
	{ GUEST("net"), LAUNCH_NET, .prepare = make_tap, .meanwhile = play_peer,
	  .end = LAUNCH_END_RESET },
	{ GUEST("vsock"), LAUNCH_VSOCK, .meanwhile = talk, .end = LAUNCH_END_RESET },
	{ GUEST("ports"), .end = LAUNCH_END_RESET },
	{ GUEST("balloon"), LAUNCH_BALLOON, .meanwhile = play_balloon, .end = LAUNCH_END_RESET },
	{ "every register at every width", "registers", LAUNCH_NET | LAUNCH_VSOCK | LAUNCH_BALLOON,
	  .n_disks = 2, .prepare = make_tap, .end = LAUNCH_END_RESET },
	{ GUEST("hostile"), .end = LAUNCH_END_RESET },
	{ GUEST("long64"), .prepare = give_initrd, .end = LAUNCH_END_RESET },
	{ "keeper lost", "halt", .end = LAUNCH_END_KEEPER_LOST },
	REFUSED("kernel is a text", give_text_as_kernel, "kernel: not an ELF file"),
	{ "kernel's entry isn't loaded", "long64", .prepare = give_virtual_entry,
	  .expect = "kernel's entry point 0xffffffff80100000 isn't in what it loads" },
	REFUSED("kernel is writable", give_writable_kernel, "may be written"),
	REFUSED("disk is not writable", give_read_only_disk, "disk 1: is not read-only"),
	REFUSED("initrd larger than memory", give_large_initrd, "initrd: "),
	REFUSED("no memory", give_no_memory, "memory isn't a multiple"),
	REFUSED("unknown flag", give_unknown_flag, "unknown flags"),
	REFUSED("CID of the host", give_host_cid, "can't be a guest's CID"),
	REFUSED("nine vCPUs", give_nine_vcpus, "9 vCPUs"),
	REFUSED("record of another version", give_other_version, "another version"),
	REFUSED("padding", give_padding, "unused bytes"),
	REFUSED("no room for the devices", give_long_cmdline, "command line is too long"),
	REFUSED("command line not terminated", give_endless_cmdline, "isn't terminated"),
};

int main(int argc, char **argv)
{
	return run_tests(tests, ARRAY_SIZE(tests), argc, argv);
}
