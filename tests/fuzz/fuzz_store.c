/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * A sandbox's files as a crash, a full disk or another version leaves them. Input: commands, each a
 * byte that names the file and two of length, then bytes: changes to the good record (an offset of
 * two bytes, a length of one, bytes), the file's whole content, or what is appended to the journal.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "store/deadline.h"
#include "store/entry.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"

#define ID "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct records {
	struct spec spec;
	struct deadline_record deadline;
	struct clock_record clock;
	struct status_record status;
	struct end_record end;
} good, bad;
static struct deadline_now now;
static char top[] = "/dev/shm/mayfly-fuzz-XXXXXX";

enum { SPEC, DEADLINE, CLOCK, STATUS, END, N_RECORDS };

static const struct file {
	const char *path;
	size_t at, size;
} files[N_RECORDS] = {
#define RECORD(field, path)                                                                        \
	{                                                                                          \
		path, offsetof(struct records, field), sizeof(good.field)                          \
	}
	[SPEC] = RECORD(spec, "state/sandboxes/" ID "/spec"),
	[DEADLINE] = RECORD(deadline, "state/sandboxes/" ID "/deadline"),
	[CLOCK] = RECORD(clock, "state/clock"),
	[STATUS] = RECORD(status, "run/" ID "/status"),
	[END] = RECORD(end, "state/sandboxes/" ID "/end"),
#undef RECORD
};

static void fill(char *text, size_t size, const char *value)
{
	BUG_ON(!str_copy(text, size, value));
}

static void make_spec(struct spec *spec)
{
	struct host_config *host = &spec->host;

	*spec = (struct spec){ .magic = SPEC_MAGIC,
			       .version = SPEC_VERSION,
			       .size = sizeof(*spec),
			       .flags = SPEC_DURABLE,
			       .id = ID,
			       .name = "web",
			       .created_s = 1,
			       .deadline_s = now.real_s + 1000000,
			       .memory_bytes = 512u << 20,
			       .vcpus = 1,
			       .kernel = "/k",
			       .initrd = "/i",
			       .image = "/b" };
	fill(host->state_dir, sizeof(host->state_dir), top);
	fill(host->run_dir, sizeof(host->run_dir), top);
	(void)strncat(host->state_dir, "/state", 16);
	(void)strncat(host->run_dir, "/run", 16);
	fill(host->monitor, sizeof(host->monitor), "/m");
	host->uid_base = 100000;
	host->slot_count = 16;
}

static void clean_up(void)
{
	static const char *const names[] = {
		"state/sandboxes/" ID "/journal",
		"state/sandboxes/" ID,
		"state/spool/" ID,
		"state/sandboxes",
		"state/names/web",
		"state/names",
		"state/spool",
		"state/receipts",
		"state",
		"run/" ID "/lock",
		"run/" ID,
		"run/slots",
		"run/claim.lock",
		"run/reap.lock",
		"run/flows.look",
		"run/uids.look",
		"run",
	};
	auto_fd dir = open(top, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < N_RECORDS; i++)
		(void)unlinkat(dir, files[i].path, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (unlinkat(dir, names[i], 0) < 0)
			(void)unlinkat(dir, names[i], AT_REMOVEDIR);
	(void)rmdir(top);
}

/* Once: a store with one sandbox, made by the writers. */
static void make_store(void)
{
	const struct host_config *host = &good.spec.host;
	char path[PATHS_SIZE];
	struct err err;
	int lock;

	BUG_ON(mkdtemp(top) == NULL || deadline_now(&now, &err) < 0);
	(void)atexit(clean_up);
	make_spec(&good.spec);
	BUG_ON(spec_write_spool(&good.spec, &err) < 0);
	BUG_ON(mkdir(paths_sandbox(host, ID, NULL, path), 0700) < 0);
	BUG_ON(symlink("../sandboxes/" ID, paths_name(host, "web", path)) < 0);
	lock = lock_claim(host, ID, &err);
	BUG_ON(lock < 0);
	fd_close(&lock);
	deadline_observe(&good.clock, &now);
	deadline_grant(&good.deadline, &good.clock, &now, good.spec.deadline_s);
	good.status = (struct status_record){ .phase = STATUS_RUNNING };
	fill(good.status.boot_id, sizeof(good.status.boot_id), now.boot_id);
	BUG_ON(deadline_write(host, ID, &good.deadline, &err) < 0);
	BUG_ON(status_write(host, ID, &good.status, &err) < 0);
	BUG_ON(status_write_end(host, ID, END_STOPPED, "text", &err) < 0);
	BUG_ON(status_read_end(host, ID, &good.end, &err) < 0);
}

static void put(const struct file *file, const void *bytes, size_t len)
{
	char path[PATHS_SIZE];
	auto_fd fd = -1;

	fill(path, sizeof(path), top);
	(void)strncat(path, "/", 2);
	(void)strncat(path, file->path, 64);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	BUG_ON(fd < 0 || fd_write_all(fd, bytes, len) < 0);
}

static void change(const struct file *file, const uint8_t *data, size_t len)
{
	uint8_t *record = (uint8_t *)&bad + file->at;

	while (len >= 3) {
		size_t at = (size_t)(data[0] | data[1] << 8) % file->size, n = data[2];

		data += 3;
		len -= 3;
		for (; n > 0 && len > 0 && at < file->size; n--, len--)
			record[at++] = *data++;
	}
	put(file, record, file->size);
}

static void append(int journal, const uint8_t *data, size_t len)
{
	char text[256] = "";
	struct err err;

	/* as the keeper does, or whatever bytes */
	if (len > 0 && data[0] < 128) {
		BUG_ON(fd_write_all(journal, data, len) < 0);
		return;
	}
	memcpy(text, data, len < sizeof(text) ? len : sizeof(text) - 1);
	BUG_ON(journal_event(journal, &err, "%s", text) < 0);
	BUG_ON(journal_intent(journal, "tap", "mf-01234567", &err) < 0);
	BUG_ON(journal_fact(journal, &err, "tap", "mf-01234567", "ifindex=%zu %s", len, text) < 0);
	BUG_ON(journal_gone(journal, "tap", "mf-01234567", "rtnetlink", &err) < 0);
}

static bool see_line(const struct journal_line *line, void *arg)
{
	char value[16];

	BUG_ON(line->word < JOURNAL_INTENT || line->word > JOURNAL_EVENT);
	*(size_t *)arg += strlen(line->kind) + strlen(line->name) + strlen(line->text);
	(void)journal_value(line->text, "ifindex", value, sizeof(value));
	return line->at_s != 7;
}

/* What everybody does who reads the store. */
static void look(void)
{
	static struct store_entry entry;
	const struct host_config *host = &good.spec.host;
	struct clock_record clock;
	struct deadline_verdict verdict;
	char path[PATHS_SIZE], id[ID_SIZE];
	size_t n = 0;
	struct err err;

	BUG_ON(entry_load(host, ID, &entry, &err) < 0);
	BUG_ON(entry_state_word(entry.state) == NULL);
	BUG_ON(entry.has_spec && spec_check(&entry.spec, &err) < 0);
	BUG_ON(entry.has_end && memchr(entry.end.text, 0, sizeof(entry.end.text)) == NULL);
	BUG_ON(status_reason_word(entry.end.reason) == NULL);
	if (entry.end.reason > 0 && entry.end.reason < END_REASONS)
		BUG_ON(status_reason_from_word(status_reason_word(entry.end.reason)) !=
		       entry.end.reason);
	if (entry.has_deadline && deadline_clock(host, &now, false, &clock, &err) == 0) {
		verdict = deadline_check(&entry.deadline, &clock, &now);
		BUG_ON(verdict.expired != (verdict.left_s == 0));
		BUG_ON(verdict.confirmed && !verdict.expired);
		deadline_account(&entry.deadline, &now);
	}
	(void)journal_each(paths_sandbox(host, ID, "journal", path), see_line, &n, &err);
	BUG_ON(entry_find(host, "web", id, &err) < 0 || entry_find(host, "0123", id, &err) < 0);
	BUG_ON(entry_find(host, "nobody", id, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	auto_fd journal = -1;

	if (now.real_s == 0)
		make_store();
	bad = good;
	for (size_t i = 0; i < N_RECORDS; i++)
		put(&files[i], (const uint8_t *)&good + files[i].at, files[i].size);
	journal = journal_open(&good.spec.host, ID, true, &err);
	BUG_ON(journal < 0 || ftruncate(journal, 0) < 0);
	while (size >= 3) {
		uint8_t what = data[0];
		size_t len = (size_t)(data[1] | data[2] << 8);

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		if (what % 6 == N_RECORDS)
			append(journal, data, len);
		else if (what < 192)
			change(&files[what % 6], data, len);
		else
			put(&files[what % 6], data, len);
		data += len;
		size -= len;
	}
	look();
	return 0;
}
