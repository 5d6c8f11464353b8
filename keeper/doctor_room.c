/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Doctor's checks of what runs out: room on file systems, descriptors, processes, flows; and of the clock that dates hang on. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/vfs.h>

#include "base/bug.h"
#include "base/str.h"
#include "keeper/doctor.h"

#define MIB (1024ull * 1024)

/* superblock numbers that linux/magic.h leaves out (fs/xfs/libxfs/xfs_format.h, fs/zfs, fs/ceph) */
#define XFS_MAGIC  0x58465342
#define ZFS_MAGIC  0x2fc12fc1
#define CIFS_MAGIC 0xff534d42

struct room {
	uint64_t bad_bytes, note_bytes; /* free for root */
	uint64_t bad_files, note_files;
};

/* A journal, keys and an initrd need little; a disk that its guest fills needs what it was promised. */
static const struct room state_room = { 64 * MIB, 2048 * MIB, 64, 4096 };
/* A console ring and a few small files each. */
static const struct room run_room = { 2 * MIB, 32 * MIB, 32, 1024 };

static const struct {
	unsigned long magic;
	const char *name;
	const char *trouble; /* NULL: none */
} kinds[] = {
	{ EXT4_SUPER_MAGIC, "ext4", NULL },
	{ XFS_MAGIC, "xfs", NULL },
	{ BTRFS_SUPER_MAGIC, "btrfs", NULL },
	{ ZFS_MAGIC, "zfs", NULL },
	{ F2FS_SUPER_MAGIC, "f2fs", NULL },
	{ OVERLAYFS_SUPER_MAGIC, "overlay", NULL },
	{ TMPFS_MAGIC, "tmpfs", "it is memory, and gone with a reboot" },
	{ RAMFS_MAGIC, "ramfs", "it is memory, and gone with a reboot" },
	{ NFS_SUPER_MAGIC, "nfs", "other hosts' locks and ours may not see each other" },
	{ CIFS_MAGIC, "cifs", "other hosts' locks and ours may not see each other" },
	{ SMB_SUPER_MAGIC, "smb", "other hosts' locks and ours may not see each other" },
	{ FUSE_SUPER_MAGIC, "fuse", "locks and holes depend on its program" },
};

/* The nearest directory above that exists: before the first host up there is none of ours. */
static int look(const char *dir, char path[SPEC_PATH_SIZE], struct statfs *fs)
{
	(void)str_copy(path, SPEC_PATH_SIZE, dir);
	while (statfs(path, fs) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT || slash == NULL || slash[1] == '\0')
			return -1;
		slash[slash == path ? 1 : 0] = '\0';
	}
	return 0;
}

static enum doctor_level weigh(const struct statfs *fs, const struct room *room,
			       uint64_t free_bytes)
{
	/* a file system that makes inodes as it goes says 0 of them */
	bool counts = fs->f_files > 0;

	if (free_bytes < room->bad_bytes || (counts && fs->f_ffree < room->bad_files))
		return DOCTOR_BAD;
	if (free_bytes < room->note_bytes || (counts && fs->f_ffree < room->note_files))
		return DOCTOR_NOTE;
	return DOCTOR_GOOD;
}

static enum doctor_level check_room(const char *key, const char *dir, const struct room *room,
				    bool lasting, struct doctor_finding *f)
{
	char path[SPEC_PATH_SIZE], size[32], wanted[32], mend[DOCTOR_TEXT_SIZE];
	const char *kind = "its file system", *trouble = NULL;
	enum doctor_level level;
	uint64_t free_bytes;
	struct statfs fs;

	if (look(dir, path, &fs) < 0)
		return doctor_say(f, DOCTOR_BAD, "make it a directory that root can enter",
				  "%.100s can't be looked at: %s", dir, err_errno_text(errno));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((unsigned long)fs.f_type == kinds[i].magic) {
			kind = kinds[i].name;
			trouble = lasting ? kinds[i].trouble : NULL;
		}
	free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	level = weigh(&fs, room, free_bytes);
	(void)str_from_size(free_bytes, size, sizeof(size));
	if (level == DOCTOR_GOOD && !trouble)
		return doctor_say(f, DOCTOR_GOOD, "", "%.100s (%s) has %s free", path, kind, size);
	(void)snprintf(mend, sizeof(mend), "set paths.%s to a %s", key,
		       level == DOCTOR_GOOD ? "local disk, ext4 or xfs"
					    : "larger file system, or make room");
	if (level == DOCTOR_GOOD)
		return doctor_say(f, DOCTOR_NOTE, mend, "%.80s is on %s: %s", path, kind, trouble);
	(void)str_from_size(level == DOCTOR_BAD ? room->bad_bytes : room->note_bytes, wanted,
			    sizeof(wanted));
	return doctor_say(
		f, level, mend,
		"%.80s (%s) has only %s and %llu files free; %s and %llu are little", path, kind,
		size, (unsigned long long)fs.f_ffree, wanted,
		(unsigned long long)(level == DOCTOR_BAD ? room->bad_files : room->note_files));
}

static enum doctor_level check_state_dir(const struct host_config *host, struct doctor_finding *f)
{
	return check_room("state_dir", host->state_dir, &state_room, true, f);
}

static enum doctor_level check_run_dir(const struct host_config *host, struct doctor_finding *f)
{
	return check_room("run_dir", host->run_dir, &run_room, false, f);
}

/* A keeper holds some thirty descriptors, and one or two for each stream it carries. */
static enum doctor_level check_descriptors(const struct host_config *host, struct doctor_finding *f)
{
	const char *mend = "raise it: ulimit -Hn, LimitNOFILE= of a unit, limits.conf(5)";
	unsigned long long used = 0, unused = 0, max = 0;
	struct rlimit limit;
	char text[96];

	(void)host;
	if (doctor_read("/proc/sys/fs/file-nr", text, sizeof(text)) &&
	    sscanf(text, "%llu %llu %llu", &used, &unused, &max) == 3 && used > max / 10 * 9)
		return doctor_say(f, used >= max ? DOCTOR_BAD : DOCTOR_NOTE,
				  "raise the sysctl fs.file-max",
				  "the host has %llu of at most %llu files open", used, max);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return doctor_say(f, DOCTOR_BAD, mend, "the limit of open files can't be read");
	if (limit.rlim_max < 64)
		return doctor_say(f, DOCTOR_BAD, mend,
				  "a process may only have %llu files open; a keeper needs 64",
				  (unsigned long long)limit.rlim_max);
	if (limit.rlim_max < 1024)
		return doctor_say(f, DOCTOR_NOTE, mend,
				  "a process may only have %llu files open, which bounds the "
				  "streams into a sandbox",
				  (unsigned long long)limit.rlim_max);
	return doctor_say(f, DOCTOR_GOOD, "", "a process may have %llu files open",
			  (unsigned long long)limit.rlim_max);
}

/* A sandbox is a keeper and a monitor of 1 + vCPUs threads, and two of KVM's: a dozen at most. */
static enum doctor_level check_processes(const struct host_config *host, struct doctor_finding *f)
{
	long long max = doctor_number("/proc/sys/kernel/pid_max");
	long long threads = doctor_number("/proc/sys/kernel/threads-max");
	unsigned long long now = 0;
	char text[96];

	(void)host;
	if (!doctor_read("/proc/loadavg", text, sizeof(text)) ||
	    sscanf(text, "%*s %*s %*s %*u/%llu", &now) != 1 || max < 0 || threads < 0)
		return doctor_say(f, DOCTOR_NOTE, "mount /proc",
				  "how many processes there are can't be read");
	max = max < threads ? max : threads;
	if ((long long)now + 16 > max)
		return doctor_say(f, DOCTOR_BAD, "raise the sysctls kernel.pid_max and threads-max",
				  "%llu threads run of at most %lld: none left for a sandbox", now,
				  max);
	if ((long long)now > max / 10 * 8)
		return doctor_say(f, DOCTOR_NOTE,
				  "raise the sysctls kernel.pid_max and threads-max",
				  "%llu threads run of at most %lld", now, max);
	return doctor_say(f, DOCTOR_GOOD, "", "%llu threads run of at most %lld", now, max);
}

/* Guests' flows are tracked: a full table drops the packets of the whole host. */
static enum doctor_level check_conntrack(const struct host_config *host, struct doctor_finding *f)
{
	long long max = doctor_number("/proc/sys/net/netfilter/nf_conntrack_max");
	long long now = doctor_number("/proc/sys/net/netfilter/nf_conntrack_count");

	(void)host;
	if (max < 0 || now < 0)
		return doctor_say(f, DOCTOR_GOOD, "", "no connection is tracked yet");
	if (now > max / 10 * 8)
		return doctor_say(f, DOCTOR_NOTE, "raise the sysctl net.netfilter.nf_conntrack_max",
				  "%lld connections are tracked of at most %lld; beyond it the "
				  "host drops packets",
				  now, max);
	return doctor_say(f, DOCTOR_GOOD, "", "%lld connections are tracked of at most %lld", now,
			  max);
}

static enum doctor_level check_clock(const struct host_config *host, struct doctor_finding *f)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	(void)host;
	if (state >= 0 && state != TIME_ERROR)
		return doctor_say(f, DOCTOR_GOOD, "", "the clock is synchronised");
	return doctor_say(f, DOCTOR_NOTE, "run a time service: systemd-timesyncd, chrony or ntpd",
			  "nothing keeps the clock right, and dates are held by it");
}

const struct doctor_row doctor_room_rows[] = {
	{ "state-dir", check_state_dir, false },
	{ "run-dir", check_run_dir, false },
	{ "descriptors", check_descriptors, false },
	{ "processes", check_processes, false },
	{ "conntrack", check_conntrack, false },
	{ "clock", check_clock, false },
	{ 0 },
};
