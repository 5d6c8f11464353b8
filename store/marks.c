/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/marks.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proto/launch.h"
#include "store/paths.h"

#define MARKS_MAGIC 0x4d464d4bu /* "MFMK" */

struct mark {
	int64_t at_s;
	uint64_t written;
};

struct marks_head {
	uint32_t magic;
	uint32_t n; /* marks made until now; number i lies at i % MARKS_MAX */
};

static off_t marks_offset(uint32_t i)
{
	return (off_t)(sizeof(struct marks_head) + i % MARKS_MAX * sizeof(struct mark));
}

static int marks_open(const struct host_config *host, const char *id, int flags, struct err *err)
{
	char path[PATHS_SIZE];
	int fd = open(paths_run(host, id, MARKS_FILE, path), flags | O_CLOEXEC | O_NOFOLLOW, 0640);

	return fd < 0 ? err_sys(err, "%s", path) : fd;
}

static bool marks_head(int fd, struct marks_head *head)
{
	return pread(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) &&
	       head->magic == MARKS_MAGIC;
}

static bool marks_read(int fd, uint32_t i, struct mark *mark)
{
	return pread(fd, mark, sizeof(*mark), marks_offset(i)) == (ssize_t)sizeof(*mark);
}

int marks_make(const struct host_config *host, const char *id, gid_t group, struct err *err)
{
	const struct marks_head head = { .magic = MARKS_MAGIC };
	auto_fd fd = marks_open(host, id, O_RDWR | O_CREAT | O_EXCL, err);

	if (fd < 0)
		return -1;
	if (pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || fchown(fd, 0, group) < 0)
		return err_sys(err, "can't make the console's marks");
	return 0;
}

/* The monitor wrote this number; it only decides how much of its own console is shown. */
static bool marks_written(const struct host_config *host, const char *id, uint64_t *written)
{
	char path[PATHS_SIZE];
	struct launch_ring ring;
	auto_fd fd = open(paths_run(host, id, "console", path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || pread(fd, &ring, sizeof(ring), 0) != (ssize_t)sizeof(ring))
		return false;
	*written = ring.written;
	return true;
}

void marks_note(const struct host_config *host, const char *id, int64_t now_s)
{
	struct mark mark = { .at_s = now_s }, last = { 0 };
	struct marks_head head;
	struct err ignored;
	auto_fd fd = marks_open(host, id, O_RDWR, &ignored);

	if (fd < 0 || !marks_head(fd, &head) || !marks_written(host, id, &mark.written) ||
	    (head.n > 0 && marks_read(fd, head.n - 1, &last) && last.written == mark.written))
		return;
	/* first the mark, then that it is there */
	if (pwrite(fd, &mark, sizeof(mark), marks_offset(head.n)) != (ssize_t)sizeof(mark))
		return;
	head.n++;
	(void)!pwrite(fd, &head, sizeof(head), 0);
}

int marks_before(const struct host_config *host, const char *id, int64_t at_s, uint64_t *written,
		 struct err *err)
{
	struct marks_head head;
	struct mark mark;
	auto_fd fd = marks_open(host, id, O_RDONLY, err);

	*written = 0;
	if (fd < 0)
		return -1;
	if (!marks_head(fd, &head))
		return err_set(err, ERR_FAILED, "the console's marks can't be read");
	for (uint32_t i = head.n > MARKS_MAX ? head.n - MARKS_MAX : 0; i != head.n; i++) {
		if (marks_read(fd, i, &mark) && mark.at_s <= at_s && mark.written > *written)
			*written = mark.written;
	}
	return 0;
}
