/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "cli/become.h"
#include "cli/client.h"
#include "cli/points.h"
#include "cli/progress.h"
#include "cli/tool.h"
#include "cli/unit.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/prepared.h"
#include "store/rendezvous.h"
#include "store/spec.h"

#define START_LIMIT_S	180 /* until READY */
#define CONNECT_LIMIT_S 20  /* until the keeper has connected */
#define TICK_MS		500

/* What is waited for, and what it is waited on with. */
struct waiting {
	int listener, progress, signals, child;
	int stderr_fd; /* what a keeper that detaches says before it connects; -1: none */
	bool unit;
	struct progress shown;
	bool keeper_talks; /* its stderr is ours: it has said already what it reports */
	bool broken_off;   /* by a signal or by time: the keeper is still at it */
	int64_t since_ms;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &ts) < 0);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int start_signals(struct err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	fd = sigprocmask(SIG_BLOCK, &set, NULL) < 0
		     ? -1
		     : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(err, "signalfd") : fd;
}

/*
 * The child waits here until its scope is made; a parent that goes or gives up ends it with
 * SIGTERM.
 */
static bool wait_at_gate(int gate)
{
	char go;

	return gate < 0 || read(gate, &go, 1) == 1;
}

/*
 * In the child. One in the foreground keeps our session, and ends with us whatever happens to us;
 * the other gets a session of its own and nothing of our terminal.
 */
_Noreturn static void in_child(const struct start *start, const struct waiting *waiting, int gate,
			       pid_t parent)
{
	const struct become become = { .config = start->config,
				       .spec = start->spec,
				       .files = start->files,
				       .foreground = start->foreground,
				       .unit = start->foreground && waiting->unit };
	sigset_t none;
	struct err err;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)unsetenv(
		"NOTIFY_SOCKET"); /* READY is ours to tell, what we run in is not the keeper's */
	if (start->foreground) {
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
		    !wait_at_gate(gate))
			_exit(ERR_FAILED);
	} else {
		(void)setsid();
	}
	if (waiting->stderr_fd >= 0 && dup2(waiting->stderr_fd, STDERR_FILENO) < 0)
		_exit(ERR_FAILED);
	(void)become_keeper(&become, &err);
	(void)dprintf(STDERR_FILENO, "%s\n", err.text);
	_exit(ERR_FAILED);
}

static int fork_keeper(struct start *start, struct waiting *waiting, int gate, struct err *err)
{
	pid_t parent = getpid();

	start->child = fork();
	if (start->child < 0)
		return err_sys(err, "fork");
	if (start->child == 0)
		in_child(start, waiting, gate, parent);
	waiting->child = pidfd_open(start->child, 0);
	return waiting->child < 0 ? err_sys(err, "pidfd_open") : 0;
}

static int fork_detached(struct start *start, struct waiting *waiting, struct err *err)
{
	waiting->stderr_fd = memfd_create("keeper-stderr", MFD_CLOEXEC);
	if (waiting->stderr_fd < 0)
		return err_sys(err, "memfd_create");
	return fork_keeper(start, waiting, -1, err);
}

/*
 * Where systemd runs, the child waits until it is in a scope of its own: only that may be divided.
 */
static int fork_foreground(struct start *start, struct waiting *waiting, struct err *err)
{
	int gate[2];

	if (!waiting->unit)
		return fork_keeper(start, waiting, -1, err);
	if (pipe2(gate, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	auto_fd child_end = gate[0], our_end = gate[1];
	if (fork_keeper(start, waiting, child_end, err) < 0 ||
	    unit_scope(start->spec->name, start->child, err) < 0)
		return -1;
	return write(our_end, "", 1) == 1 ? 0 : err_sys(err, "the keeper's start");
}

/*
 * A unit's program is told a name alone: for a new sandbox that leads to its spec in the spool. Who
 * made the link is the one who makes a sandbox of that name.
 */
static int link_name(const struct start *start, struct err *err)
{
	const struct spec *spec = start->spec;
	char path[PATHS_SIZE], old[PATHS_SIZE];
	auto_fd claim = -1;

	if (start->again)
		return 0;
	/* a reap that takes away what leads nowhere must not take ours */
	claim = lock_claims(&spec->host, err);
	if (claim < 0)
		return -1;
	(void)paths_spool_name(&spec->host, spec->name, path);
	for (int i = 0; i < 2; i++) {
		if (symlink(spec->id, path) == 0)
			return 0;
		if (errno != EEXIST)
			break;
		/* one that leads nowhere is nobody's; any other, also one that can't be told, stays */
		if (stat(path, &(struct stat){ 0 }) == 0) {
			errno = EEXIST;
			break;
		}
		if (errno != ENOENT)
			break;
		(void)unlink(path);
	}
	if (errno == EEXIST)
		return err_set(err, ERR_EXISTS, "a sandbox %s is being made", spec->name);
	return err_sys(err, "can't make %s", paths_spool_name(&spec->host, spec->name, old));
}

/* Only the one that leads to ours. */
static void unlink_name(const struct spec *spec)
{
	char path[PATHS_SIZE], id[ID_SIZE] = "";

	if (readlink(paths_spool_name(&spec->host, spec->name, path), id, sizeof(id)) == ID_LEN &&
	    strcmp(id, spec->id) == 0)
		(void)unlink(path);
}

static int launch(struct start *start, struct waiting *waiting, struct err *err)
{
	if (start->foreground)
		return fork_foreground(start, waiting, err);
	if (!waiting->unit)
		return fork_detached(start, waiting, err);
	return link_name(start, err) < 0 ? -1
					 : unit_start(start->spec->name, start->config_path, err);
}

/* The last line that it wrote, else what is known. */
static int keeper_died(const struct waiting *waiting, const struct spec *spec, struct err *err)
{
	char text[ERR_TEXT_MAX - 64];
	ssize_t n =
		waiting->stderr_fd >= 0 ? pread(waiting->stderr_fd, text, sizeof(text) - 1, 0) : 0;
	char *line;

	if (waiting->unit && !waiting->keeper_talks)
		return err_set(err, ERR_FAILED,
			       "the keeper ended before %s was ready: see journalctl -u mayfly@%s",
			       spec->name, spec->name);
	if (n <= 0)
		return err_set(err, ERR_FAILED, "the keeper ended before %s was ready", spec->name);
	text[n] = '\0';
	line = text;
	line[strcspn(line, "\n")] = '\0';
	return err_set(err, ERR_FAILED, "the keeper ended before %s was ready: %s", spec->name,
		       line);
}

static void accept_keeper(struct waiting *waiting)
{
	auto_fd fd = accept4(waiting->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && waiting->progress < 0 && client_peer_is_trusted(fd))
		waiting->progress = fd_take(&fd);
	points_meet(POINTS_CONNECTED);
}

/* 1: ready; 0: go on; -1 with err. */
static int take_progress(struct waiting *waiting, const struct spec *spec, struct err *err)
{
	struct ctl_record record;
	int n = client_receive(waiting->progress, &record, NULL);

	if (n <= 0)
		return keeper_died(waiting, spec, err);
	if (record.type == CTL_ERROR)
		return err_set(err, record.code != 0 ? (int)record.code : ERR_FAILED, "%s",
			       waiting->keeper_talks ? "" : record.text);
	if (record.type == CTL_STEP && record.code != 0 && !waiting->keeper_talks) {
		progress_erase(&waiting->shown);
		log_warning("%s", record.text);
	} else if (record.type == CTL_STEP) {
		progress_say(&waiting->shown, "starting %s: %s", spec->name, record.text);
	}
	points_meet(POINTS_WAITING);
	return record.type == CTL_READY;
}

/* A keeper that detaches exits with 0 when it has handed on; any other end is its death. */
static int take_exit(struct start *start, struct waiting *waiting, struct err *err)
{
	int status;

	if (waitpid(start->child, &status, WNOHANG) != start->child)
		return 0;
	start->child = 0;
	fd_close(&waiting->child);
	if (!start->foreground && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return waiting->progress >= 0 ? 0 : keeper_died(waiting, start->spec, err);
}

static int check_limits(struct start *start, struct waiting *waiting, struct err *err)
{
	uint32_t limit_s = start->timeout_s != 0 ? start->timeout_s : START_LIMIT_S;

	if (waiting->progress < 0 && limit_s > CONNECT_LIMIT_S)
		limit_s = CONNECT_LIMIT_S;
	if (waiting->progress < 0 && waiting->unit && !start->foreground &&
	    unit_is_dead(start->spec->name, start->config_path))
		return keeper_died(waiting, start->spec, err);
	if (now_ms() - waiting->since_ms < (int64_t)limit_s * 1000)
		return 0;
	waiting->broken_off = true;
	return err_set(err, ERR_TIMEOUT, "%s: %s within %u s", start->spec->name,
		       waiting->progress < 0 ? "the keeper did not report" : "not ready", limit_s);
}

static int wait_ready(struct start *start, struct waiting *waiting, struct err *err)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = waiting->signals, .events = POLLIN },
			{ .fd = waiting->progress, .events = POLLIN },
			{ .fd = waiting->progress < 0 ? waiting->listener : -1, .events = POLLIN },
			{ .fd = waiting->child, .events = POLLIN },
		};
		int rc = 0;

		if (poll(fds, ARRAY_SIZE(fds), TICK_MS) < 0 && errno != EINTR) {
			waiting->broken_off = true;
			return err_sys(err, "poll");
		}
		progress_tick(&waiting->shown);
		if (fds[0].revents != 0) {
			waiting->broken_off = true;
			return err_set(err, ERR_FAILED, "broken off");
		}
		if (fds[1].revents != 0)
			rc = take_progress(waiting, start->spec, err);
		else if (fds[2].revents != 0)
			accept_keeper(waiting);
		else if (fds[3].revents != 0)
			rc = take_exit(start, waiting, err);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (check_limits(start, waiting, err) < 0)
			return -1;
	}
}

static void drop_record(void *arg, const struct ctl_record *record)
{
	(void)arg;
	(void)record;
}

/*
 * A keeper that failed has undone its part; one that we gave up on is ended here. err keeps the
 * first cause.
 */
static void undo(struct start *start, const struct waiting *waiting)
{
	const char *const args[] = { "--destroy", start->spec->id, "--force", NULL };
	char path[PATHS_SIZE];
	struct err ignored;

	if (start->again) /* it is stopped again, or soon ready */
		return;
	if (waiting->broken_off)
		(void)tool_run(start->config, args, drop_record, NULL, &ignored);
	if (start->foreground && start->child > 0) {
		(void)kill(start->child, SIGTERM);
		(void)waitpid(start->child, NULL, 0);
		start->child = 0;
	}
	(void)unlink(paths_spool(&start->spec->host, start->spec->id, path));
}

int start_sandbox(struct start *start, struct err *err)
{
	struct waiting waiting = {
		.listener = -1,
		.progress = -1,
		.signals = -1,
		.child = -1,
		.stderr_fd = -1,
		.unit = unit_possible(),
		.keeper_talks = start->foreground,
		.since_ms = now_ms(),
	};
	int rc = -1;

	points_meet(POINTS_PLANNED);
	progress_begin(&waiting.shown);
	start->child = 0;
	if (prepared_check(&start->spec->host, err) < 0)
		return -1;
	if (waiting.unit)
		start->spec->flags |= SPEC_IN_UNIT;
	waiting.signals = start_signals(err);
	if (waiting.signals >= 0)
		waiting.listener = rendezvous_listen(&start->spec->host, start->spec->id, err);
	points_meet(POINTS_LISTENING);
	if (waiting.listener >= 0 && (start->again || spec_write_spool(start->spec, err) == 0)) {
		points_meet(POINTS_SPOOLED);
		rc = launch(start, &waiting, err);
		points_meet(POINTS_LAUNCHED);
		if (rc == 0)
			rc = wait_ready(start, &waiting, err);
		points_meet(POINTS_READY);
		progress_erase(&waiting.shown);
		if (rc < 0)
			undo(start, &waiting);
		unlink_name(start->spec);
	}
	if (waiting.listener >= 0)
		rendezvous_leave(&start->spec->host, start->spec->id);
	fd_close(&waiting.listener);
	fd_close(&waiting.progress);
	fd_close(&waiting.signals);
	fd_close(&waiting.child);
	fd_close(&waiting.stderr_fd);
	return rc;
}
