/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "jail/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"

#define CPU_PERIOD_US 100000
#define MEMORY_FIXED  (64ull << 20)
#define KVM_THREADS   2
#define SMALL_FILE    4096

static const struct {
	enum cgroup_controller bit;
	const char *name;
} controllers[] = {
	{ CGROUP_CPU, "cpu" },
	{ CGROUP_MEMORY, "memory" },
	{ CGROUP_PIDS, "pids" },
	{ CGROUP_IO, "io" },
};

uint64_t cgroup_memory_max(uint64_t ram_bytes)
{
	return ram_bytes + ram_bytes / 64 + MEMORY_FIXED;
}

uint32_t cgroup_pids_max(uint32_t n_vcpus)
{
	return 1 + n_vcpus + KVM_THREADS;
}

const char *cgroup_names(uint32_t set, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(controllers) && used < size; i++)
		if (set & controllers[i].bit)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 controllers[i].name);
	return buf;
}

/* ---- files ---- */

static int join(char out[CGROUP_PATH_SIZE], const char *dir, const char *name, struct err *err)
{
	if (snprintf(out, CGROUP_PATH_SIZE, "%s/%s", dir, name) >= CGROUP_PATH_SIZE)
		return err_set(err, ERR_FAILED, "%s/%s: cgroup path too long", dir, name);
	return 0;
}

/* A cgroup that is being removed answers ENODEV where a removed one answers ENOENT. */
static bool is_absent(const struct err *err)
{
	return err->os_errno == ENOENT || err->os_errno == ENODEV;
}

static int write_file(const char *dir, const char *name, const char *text, struct err *err)
{
	char path[CGROUP_PATH_SIZE];
	auto_fd fd = -1;

	if (join(path, dir, name, err) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(err, "%s: can't write \"%s\"", path, text);
	return 0;
}

static ssize_t read_text(const char *dir, const char *name, char *text, size_t size,
			 struct err *err)
{
	char path[CGROUP_PATH_SIZE];
	ssize_t n;

	if (join(path, dir, name, err) < 0)
		return -1;
	n = fd_read_file(AT_FDCWD, path, text, size - 1, err);
	text[n < 0 ? 0 : n] = '\0';
	return n;
}

/* "KEY VALUE" lines; false when there is no such key. */
static bool find_value(const char *text, const char *key, uint64_t *value)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return sscanf(p + len, "%" SCNu64, value) == 1;
	return false;
}

/* Space-separated names, as in cgroup.controllers. */
static uint32_t parse_controllers(const char *text)
{
	uint32_t set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		size_t len = strlen(controllers[i].name);

		for (const char *p = text; *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
			if (strcspn(p, " \n") == len && memcmp(p, controllers[i].name, len) == 0)
				set |= controllers[i].bit;
	}
	return set;
}

/* ---- where ---- */

/* One line of mountinfo: fields 5 is the mount point; " - " ends the optional ones, then comes the type. */
static bool parse_mount(char *line, const char **point)
{
	char *type = strstr(line, " - ");
	char *p = line;

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return false;
	for (int field = 1; field < 5; field++) {
		p = strchr(p, ' ');
		if (!p)
			return false;
		p++;
	}
	p[strcspn(p, " ")] = '\0';
	*point = p;
	return true;
}

int cgroup_find(char path[CGROUP_PATH_SIZE], struct err *err)
{
	char line[4096];
	const char *point;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	bool found = false, unread;

	if (!file)
		return err_sys(err, "/proc/self/mountinfo");
	while (!found && fgets(line, sizeof(line), file))
		found = parse_mount(line, &point) && str_copy(path, CGROUP_PATH_SIZE, point);
	unread = ferror(file) != 0;
	if (unread)
		(void)err_sys(err, "/proc/self/mountinfo");
	(void)fclose(file);
	if (unread)
		return -1;
	if (!found)
		return err_set(
			err, ERR_FAILED,
			"cgroup v2 is mounted nowhere: mount -t cgroup2 none /sys/fs/cgroup");
	return 0;
}

int cgroup_own(char path[CGROUP_PATH_SIZE], struct err *err)
{
	char mount[CGROUP_PATH_SIZE], text[SMALL_FILE];
	const char *own;

	if (cgroup_find(mount, err) < 0 ||
	    read_text("/proc/self", "cgroup", text, sizeof(text), err) < 0)
		return -1;
	own = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!own)
		return err_set(err, ERR_FAILED,
			       "/proc/self/cgroup: this process is in no v2 cgroup");
	own = strchr(own, '/');
	if (!own)
		return err_set(err, ERR_FAILED, "/proc/self/cgroup: no path in its v2 line");
	text[own - text + (ptrdiff_t)strcspn(own, "\n")] = '\0';
	if (strcmp(own, "/") == 0)
		own = "";
	if (snprintf(path, CGROUP_PATH_SIZE, "%s%s", mount, own) >= CGROUP_PATH_SIZE)
		return err_set(err, ERR_FAILED, "%s%s: cgroup path too long", mount, own);
	return 0;
}

/* ---- making ---- */

static int make_dir(const char *path, struct err *err)
{
	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(err, ERR_EXISTS, "%s: this cgroup exists already", path);
	return err_sys(err, "%s: can't make this cgroup", path);
}

static int make_dir_or_have(const char *path, struct err *err)
{
	return make_dir(path, err) == 0 || err->code == ERR_EXISTS ? 0 : -1;
}

/* Give the children of dir what dir itself has; *missing is what it hasn't. */
static int hand_down(const char *dir, uint32_t *missing, struct err *err)
{
	char text[SMALL_FILE], word[16];
	uint32_t given;

	if (read_text(dir, "cgroup.controllers", text, sizeof(text), err) < 0)
		return -1;
	given = parse_controllers(text);
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		if (!(given & controllers[i].bit))
			continue;
		(void)snprintf(word, sizeof(word), "+%s", controllers[i].name);
		if (write_file(dir, "cgroup.subtree_control", word, err) < 0)
			return err->os_errno != EBUSY
				       ? -1
				       : err_wrap(err,
						  "processes sit in %s itself, which must have "
						  "none to hand "
						  "controllers down: move them to a child",
						  dir);
	}
	*missing = CGROUP_ALL & ~given;
	return 0;
}

static int parent_of(const char *path, char out[CGROUP_PATH_SIZE], struct err *err)
{
	char *slash;

	if (!str_copy(out, CGROUP_PATH_SIZE, path) || !(slash = strrchr(out, '/')) || slash == out)
		return err_set(err, ERR_FAILED, "%s: no path of a cgroup", path);
	*slash = '\0';
	return 0;
}

int cgroup_parent_up(const char *parent, uint32_t *missing, struct err *err)
{
	char above[CGROUP_PATH_SIZE];

	if (parent_of(parent, above, err) < 0 || hand_down(above, missing, err) < 0 ||
	    make_dir_or_have(parent, err) < 0)
		return -1;
	return hand_down(parent, missing, err);
}

int cgroup_parent_down(const char *parent, struct err *err)
{
	if (rmdir(parent) == 0 || errno == ENOENT)
		return 0;
	if (errno == EBUSY)
		return err_set(err, ERR_RESIDUE,
			       "%s: sandboxes still have cgroups in it: destroy them first",
			       parent);
	return err_sys(err, "%s: can't remove this cgroup", parent);
}

int cgroup_split(const char *unit, uint32_t *missing, struct err *err)
{
	char keeper[CGROUP_PATH_SIZE];

	if (join(keeper, unit, "keeper", err) < 0 || make_dir_or_have(keeper, err) < 0)
		return -1;
	if (write_file(keeper, "cgroup.procs", "0", err) < 0)
		return err_wrap(err,
				"can't move the keeper within its unit (Delegate=yes is needed)");
	return hand_down(unit, missing, err);
}

int cgroup_create(const char *path, struct err *err)
{
	return make_dir(path, err);
}

int cgroup_open(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(err, "%s: can't open this cgroup", path);
}

/* ---- limits ---- */

struct limit {
	enum cgroup_controller controller;
	const char *file;
	char value[48];
	bool optional; /* the kernel may be built without it (swap) */
};

int cgroup_limit(const char *path, const struct cgroup_limits *limits, uint32_t *missing,
		 struct err *err)
{
	struct limit table[] = {
		{ CGROUP_MEMORY, "memory.max", "", false },
		{ CGROUP_MEMORY, "memory.swap.max", "0", true },
		{ CGROUP_MEMORY, "memory.oom.group", "1", false },
		{ CGROUP_CPU, "cpu.max", "", false },
		{ CGROUP_PIDS, "pids.max", "", false },
		{ CGROUP_CPU, "cpu.weight", "", false },
	};
	const size_t rows = limits->cpu_weight ? ARRAY_SIZE(table) : ARRAY_SIZE(table) - 1;
	char text[SMALL_FILE];
	uint32_t given;

	(void)snprintf(table[0].value, sizeof(table[0].value), "%" PRIu64, limits->memory_bytes);
	(void)snprintf(table[3].value, sizeof(table[3].value), "%" PRIu64 " %u",
		       (uint64_t)limits->cpu_percent * CPU_PERIOD_US / 100, CPU_PERIOD_US);
	(void)snprintf(table[4].value, sizeof(table[4].value), "%u", limits->pids);
	(void)snprintf(table[5].value, sizeof(table[5].value), "%u", limits->cpu_weight);
	if (read_text(path, "cgroup.controllers", text, sizeof(text), err) < 0)
		return -1;
	given = parse_controllers(text);
	*missing = CGROUP_ALL & ~given;
	for (size_t i = 0; i < rows; i++) {
		if (!(given & table[i].controller))
			continue;
		if (write_file(path, table[i].file, table[i].value, err) < 0 &&
		    !(table[i].optional && err->os_errno == ENOENT))
			return -1;
	}
	return 0;
}

/* "rbps=max" or "rbps=1048576" */
static void put_io(char *line, size_t size, const char *key, uint64_t value)
{
	size_t used = strlen(line);

	if (value == 0)
		(void)snprintf(line + used, size - used, " %s=max", key);
	else
		(void)snprintf(line + used, size - used, " %s=%" PRIu64, key, value);
}

int cgroup_limit_io(const char *path, const struct cgroup_io *io, struct err *err)
{
	char line[192];

	(void)snprintf(line, sizeof(line), "%u:%u", io->major, io->minor);
	put_io(line, sizeof(line), "rbps", io->read_bytes_per_s);
	put_io(line, sizeof(line), "wbps", io->write_bytes_per_s);
	put_io(line, sizeof(line), "riops", io->read_ops_per_s);
	put_io(line, sizeof(line), "wiops", io->write_ops_per_s);
	if (write_file(path, "io.max", line, err) == 0)
		return 0;
	if (err->os_errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "no controller for io");
	return -1;
}

/* ---- the end ---- */

int cgroup_kill(const char *path, struct err *err)
{
	if (write_file(path, "cgroup.kill", "1", err) == 0 ||
	    (is_absent(err) && access(path, F_OK) < 0))
		return 0;
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 1: something runs, 0: nothing does (or the cgroup is gone), -1: err. Reading also arms the next POLLPRI. */
static int read_populated(int fd, const char *file, struct err *err)
{
	char text[SMALL_FILE];
	uint64_t value;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == ENODEV ? 0 : err_sys(err, "%s", file);
	text[n] = '\0';
	if (!find_value(text, "populated", &value))
		return err_set(err, ERR_FAILED, "%s: no line \"populated\"", file);
	return value != 0;
}

int cgroup_wait_empty(const char *path, int timeout_ms, struct err *err)
{
	const int64_t end = now_ms() + timeout_ms;
	char file[CGROUP_PATH_SIZE];
	auto_fd fd = -1;

	if (join(file, path, "cgroup.events", err) < 0)
		return -1;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : err_sys(err, "%s", file);
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLPRI };
		int populated = read_populated(fd, file, err);
		int64_t left = end - now_ms();

		if (populated <= 0)
			return populated;
		if (left <= 0)
			return err_set(err, ERR_TIMEOUT, "%s: still populated after %d ms", path,
				       timeout_ms);
		(void)poll(&pfd, 1, (int)left);
	}
}

int cgroup_remove(const char *path, int timeout_ms, struct err *err)
{
	const int64_t end = now_ms() + timeout_ms;

	while (rmdir(path) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || now_ms() >= end)
			return err_sys(err, "%s: can't remove this cgroup", path);
		(void)poll(NULL, 0, 2);
	}
	return 0;
}

int cgroup_oom_kills(const char *path, uint64_t *count, struct err *err)
{
	char text[SMALL_FILE];

	if (read_text(path, "memory.events", text, sizeof(text), err) < 0) {
		if (is_absent(err))
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	if (!find_value(text, "oom_kill", count))
		return err_set(err, ERR_FAILED, "%s/memory.events: no line \"oom_kill\"", path);
	return 0;
}
