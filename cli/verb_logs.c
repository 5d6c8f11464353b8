/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * logs: what was written, by whom.
 * - console: the console ring of a running sandbox, with marks of when it had come how far (store/marks.h), or the tail that
 *   was kept of its last run.
 * - agent: the lines among those that mayfly-init wrote.
 * - keeper: the keeper's own lines, each with its time, in two files of the state directory (base/log.h).
 */
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/log_lines.h"
#include "cli/target.h"
#include "store/lock.h"
#include "store/marks.h"
#include "store/paths.h"

#define AGENT_PREFIX "mayfly-init: "

enum { LOGS_TAIL = OPT_LONG + 1, LOGS_SINCE, LOGS_SOURCE };

const struct opt verb_logs_options[] = {
	{ 'f', "follow", NULL, "go on as it writes, until it ends" },
	{ LOGS_TAIL, "tail", "N", "only the last N lines of what is there" },
	{ LOGS_SINCE, "since", "DATE|DURATION",
	  "only what was written since then; a console's to the minute" },
	{ LOGS_SOURCE, "source", "console|agent|keeper",
	  "all of the console (the usual), mayfly-init's, the keeper's" },
	{ 0 },
};

enum source { CONSOLE, AGENT, KEEPER };

struct logs {
	const struct host_config *host;
	const char *name;
	char id[ID_SIZE];
	enum source source;
	bool follow;
	bool is_since; /* --since was given: lines.since_s */
	struct log_lines lines;
};

static const struct timespec logs_pause = { .tv_nsec = 200000000 };

static bool is_of_agent(const char *line, size_t len, int64_t since_s)
{
	(void)since_s;
	return len >= sizeof(AGENT_PREFIX) - 1 &&
	       memcmp(line, AGENT_PREFIX, sizeof(AGENT_PREFIX) - 1) == 0;
}

static bool is_since(const char *line, size_t len, int64_t since_s)
{
	int64_t at_s;

	return log_lines_time(line, len, &at_s) == 0 || at_s >= since_s;
}

static bool is_alive(const struct logs *logs)
{
	char lock[PATHS_SIZE];

	return lock_is_held(paths_run(logs->host, logs->id, "lock", lock));
}

/* From a file to its end as it is now. */
static int print_file(struct logs *logs, int fd, struct err *err)
{
	static char buf[RING_CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (log_lines_put(&logs->lines, buf, (size_t)n, err) < 0)
			return -1;
	}
	return n < 0 ? err_sys(err, "the log of %s", logs->name) : 0;
}

/* ---- console, agent */

/* The keeper's lock tells the end; what was written just before is printed after it. */
static int print_ring(struct logs *logs, struct ring *ring, struct err *err)
{
	bool alive = logs->follow && is_alive(logs);

	if (log_lines_ring(&logs->lines, ring, err) < 0 || log_lines_end(&logs->lines, err) < 0)
		return -1;
	while (alive) {
		(void)nanosleep(&logs_pause, NULL);
		alive = is_alive(logs);
		if (log_lines_ring(&logs->lines, ring, err) < 0)
			return -1;
	}
	return log_lines_end(&logs->lines, err);
}

static int print_kept_console(struct logs *logs, struct err *err)
{
	struct stat st;
	char path[PATHS_SIZE];
	auto_fd fd = open(paths_sandbox(logs->host, logs->id, "console-tail", path),
			  O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_FAILED, "%s has written nothing yet", logs->name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (logs->is_since && st.st_mtime < logs->lines.since_s)
		return 0;
	if (logs->is_since)
		log_info("%s rests: what is kept of its console has no times, this is all of it",
			 logs->name);
	return print_file(logs, fd, err) < 0 ? -1 : log_lines_end(&logs->lines, err);
}

/* To where the ring was at --since, as far as its marks know. */
static int skip_before(const struct logs *logs, struct ring *ring, struct err *err)
{
	if (logs->lines.since_s > time(NULL))
		return ring_written(ring, &ring->at, err);
	return marks_before(logs->host, logs->id, logs->lines.since_s, &ring->at, err);
}

static int print_console(struct logs *logs, struct err *err)
{
	char path[PATHS_SIZE];
	struct ring ring;
	int rc;

	if (ring_open(&ring, paths_run(logs->host, logs->id, "console", path), err) == 0) {
		rc = logs->is_since ? skip_before(logs, &ring, err) : 0;
		if (rc == 0)
			rc = print_ring(logs, &ring, err);
		ring_close(&ring);
		return rc;
	}
	if (err->os_errno == EACCES)
		return err_set(err, ERR_FAILED,
			       "%s: only root and the group %s may read its console", logs->name,
			       logs->host->group);
	return err->os_errno == ENOENT ? print_kept_console(logs, err) : -1;
}

/* ---- keeper */

static int open_keeper_log(const struct logs *logs, const char *file, struct err *err)
{
	char path[PATHS_SIZE];
	int fd = open(paths_sandbox(logs->host, logs->id, file, path), O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		(void)err_set(err, ERR_FAILED, "%s: only root may read its keeper's log",
			      logs->name);
	else if (fd < 0)
		(void)err_sys(err, "%s", path);
	return fd;
}

/* A keeper that has begun a new file meanwhile: the old one has been read to its end. */
static void follow_keeper_log(const struct logs *logs, int *fd)
{
	char path[PATHS_SIZE];
	struct stat old, new;
	struct err ignored;

	if (fstat(*fd, &old) < 0 ||
	    stat(paths_sandbox(logs->host, logs->id, LOG_FILE, path), &new) < 0 ||
	    old.st_ino == new.st_ino)
		return;
	fd_close(fd);
	*fd = open_keeper_log(logs, LOG_FILE, &ignored);
}

static int print_keeper(struct logs *logs, struct err *err)
{
	auto_fd fd = open_keeper_log(logs, LOG_FILE_OLD, err);
	bool alive = logs->follow && is_alive(logs);

	if (fd < 0 && err->os_errno != ENOENT)
		return -1;
	if (fd >= 0 && print_file(logs, fd, err) < 0)
		return -1;
	fd_close(&fd);
	fd = open_keeper_log(logs, LOG_FILE, err);
	if (fd < 0 && err->os_errno == ENOENT)
		return err_set(err, ERR_FAILED, "the keeper of %s has said nothing yet",
			       logs->name);
	if (fd < 0 || print_file(logs, fd, err) < 0 || log_lines_end(&logs->lines, err) < 0)
		return -1;
	while (alive && fd >= 0) {
		(void)nanosleep(&logs_pause, NULL);
		alive = is_alive(logs);
		if (print_file(logs, fd, err) < 0)
			return -1;
		follow_keeper_log(logs, &fd);
	}
	return 0;
}

/* ---- the command line */

static const char *const sources[] = { "console", "agent", "keeper" };

static int take_source(struct logs *logs, const char *value, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (strcmp(value, sources[i]) == 0) {
			logs->source = (enum source)i;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "--source %.40s: neither console, agent nor keeper", value);
}

static int take_since(struct logs *logs, const char *value, struct err *err)
{
	uint64_t ago_s;

	if (str_to_duration(value, &ago_s))
		logs->lines.since_s = time(NULL) - (int64_t)ago_s;
	else if (!str_to_instant(value, &logs->lines.since_s))
		return err_set(err, ERR_USAGE,
			       "--since %.40s: write it as 30m, 2h or 2026-12-01T17:00Z", value);
	logs->is_since = true;
	return 0;
}

static int take_option(struct logs *logs, int option, const char *value, struct err *err)
{
	switch (option) {
	case 'f':
		logs->follow = true;
		return 0;
	case LOGS_TAIL:
		if (!str_to_u64(value, LOG_LINES_MAX, &logs->lines.tail))
			return err_set(err, ERR_USAGE, "--tail %.40s: not a number up to %d", value,
				       LOG_LINES_MAX);
		return 0;
	case LOGS_SINCE:
		return take_since(logs, value, err);
	default:
		return take_source(logs, value, err);
	}
}

static void choose_lines(struct logs *logs)
{
	if (logs->source == AGENT)
		logs->lines.wanted = is_of_agent;
	else if (logs->source == KEEPER && logs->is_since)
		logs->lines.wanted = is_since;
}

int verb_logs(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	static struct logs logs;
	const char *value;
	char **words;
	int option, n;

	logs = (struct logs){ .host = &cli->config.host, .lines.tail = LOG_LINES_ALL };
	logs.lines.output.escape = isatty(STDOUT_FILENO) == 1;
	while ((option = opt_next(&opts, &value, err)) > 0) {
		if (take_option(&logs, option, value, err) < 0)
			return -1;
	}
	if (option < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n != 1)
		return cli_usage(cli, err, n < 1 ? "the name is missing" : "one name, please");
	logs.name = words[0];
	if (cli->json)
		logs.lines.json_source = sources[logs.source];
	choose_lines(&logs);
	if (cli_begin(cli, err) < 0 || target_find(&cli->config.host, words[0], logs.id, err) < 0)
		return -1;
	return logs.source == KEEPER ? print_keeper(&logs, err) : print_console(&logs, err);
}
