/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/crew.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CREW_PATIENCE_S 60 /* an end's own patience with what it kills is some 15 s */
#define CREW_DEATH_S	5
#define CREW_TURN_MS	1000
#define CREW_NAP_MS	50

static_assert(sizeof(struct ctl_record) <= PIPE_BUF, "a pipe keeps records whole");

/* ---- what they say ---- */

static void crew_pass_on(void *arg, const struct ctl_record *record)
{
	struct crew *crew = arg;

	if (record->code != 0 && crew->failures++ == 0)
		(void)err_set(&crew->first, (int)record->code, "%s", record->text);
	if (crew->sink && crew->sink->put)
		crew->sink->put(crew->sink->arg, record);
}

static void crew_hear(struct crew *crew)
{
	struct ctl_record record;
	char words[PIPE_BUF];
	ssize_t n;

	while (read(crew->said[0], &record, sizeof(record)) == (ssize_t)sizeof(record))
		crew_pass_on(crew, &record);
	while ((n = read(crew->words[0], words, sizeof(words))) > 0)
		(void)!fd_write_all(STDERR_FILENO, words, (size_t)n);
}

/* A member's own mouth. What could not be said may have been a failure: then its exit code says that. */
struct crew_mouth {
	int fd;
	bool lost;
};

static void crew_put(void *arg, const struct ctl_record *record)
{
	struct crew_mouth *mouth = arg;

	if (fd_write_all(mouth->fd, record, sizeof(*record)) < 0)
		mouth->lost = true;
}

/* ---- their ends ---- */

static void crew_ended(struct crew *crew, struct crew_member *member, const char *wrong)
{
	struct ctl_record record = { .type = CTL_ITEM, .code = ERR_FAILED };

	crew_hear(crew); /* what it said comes first */
	if (wrong) {
		(void)str_copy(record.id, sizeof(record.id), member->id);
		(void)snprintf(record.text, sizeof(record.text),
			       "its end %s; the next reap goes on", wrong);
		crew_pass_on(crew, &record);
	}
	fd_close(&member->pidfd);
	member->pid = 0;
	crew->n--;
}

static void crew_look_after(struct crew *crew, struct crew_member *member)
{
	siginfo_t info = { 0 };
	struct timespec now;
	time_t took;

	/* by its pid, which stays its own until it has been waited for: there may be no pidfd */
	if (waitid(P_PID, (id_t)member->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid > 0) {
		crew_ended(crew, member,
			   info.si_code == CLD_EXITED && info.si_status == 0 ? NULL
									     : "was broken off");
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	took = now.tv_sec - member->since.tv_sec;
	if (took > crew->patience_s)
		(void)kill(member->pid, SIGKILL);
	if (took > crew->patience_s + CREW_DEATH_S)
		crew_ended(crew, member, "hangs in the kernel");
}

/* Until one of them says something or ends, or a second has passed; one without a pidfd ends unheard until then. */
static void crew_turn(struct crew *crew)
{
	struct pollfd fds[CREW_MAX + 2] = { { .fd = crew->said[0], .events = POLLIN },
					    { .fd = crew->words[0], .events = POLLIN } };

	for (size_t i = 0; i < CREW_MAX; i++)
		fds[i + 2] = (struct pollfd){ .fd = crew->members[i].pidfd, .events = POLLIN };
	if (poll(fds, CREW_MAX + 2, CREW_TURN_MS) < 0) /* it may have too many for RLIMIT_NOFILE */
		(void)poll(NULL, 0, CREW_NAP_MS);
	crew_hear(crew);
	for (size_t i = 0; i < CREW_MAX; i++)
		if (crew->members[i].pid > 0)
			crew_look_after(crew, &crew->members[i]);
}

/* ---- their beginnings ---- */

/* We hold both ends: a read that blocks would wait for ever. */
static void crew_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0) {
		fds[0] = fds[1] = -1;
	} else if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		fd_close(&fds[0]);
		fd_close(&fds[1]);
	}
}

void crew_open(struct crew *crew, const struct sink *sink)
{
	memset(crew, 0, sizeof(*crew));
	crew->sink = sink;
	crew->here = (struct sink){ .put = crew_pass_on, .arg = crew };
	crew->starter = getpid();
	crew->patience_s = CREW_PATIENCE_S;
	(void)signal(SIGCHLD, SIG_DFL); /* inherited as ignored, how they ended would be lost */
	for (size_t i = 0; i < CREW_MAX; i++)
		crew->members[i].pidfd = -1;
	crew_pipe(crew->said);
	crew_pipe(crew->words);
}

static void crew_work(struct crew *crew, pid_t parent,
		      void (*work)(void *arg, const struct sink *sink), void *arg)
{
	struct crew_mouth mouth = { .fd = crew->said[1] };
	const struct sink sink = { .put = crew_put, .arg = &mouth };
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* whoever reads our output waits for the reap, not for one that hangs */
	if (nowhere >= 0)
		(void)dup2(nowhere, STDOUT_FILENO);
	if (crew->words[1] >= 0 || nowhere >= 0)
		(void)dup2(crew->words[1] >= 0 ? crew->words[1] : nowhere, STDERR_FILENO);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	work(arg, &sink);
	_exit(mouth.lost ? 1 : 0);
}

bool crew_is_member(const struct crew *crew)
{
	return getpid() != crew->starter;
}

static struct crew_member *crew_free_place(struct crew *crew)
{
	for (;;) {
		for (size_t i = 0; i < CREW_MAX; i++)
			if (crew->members[i].pid == 0)
				return &crew->members[i];
		crew_turn(crew);
	}
}

void crew_start(struct crew *crew, const char *id, void (*work)(void *arg, const struct sink *sink),
		void *arg)
{
	struct crew_member *member = crew_free_place(crew);
	pid_t parent = getpid(), pid = crew->said[0] < 0 ? -1 : fork();

	if (pid < 0) {
		work(arg, &crew->here);
		return;
	}
	if (pid == 0)
		crew_work(crew, parent, work, arg);
	member->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	member->pid = pid;
	(void)clock_gettime(CLOCK_MONOTONIC, &member->since);
	(void)str_copy(member->id, sizeof(member->id), id);
	crew->n++;
}

void crew_wait(struct crew *crew)
{
	while (crew->n > 0)
		crew_turn(crew);
}

void crew_close(struct crew *crew)
{
	if (crew->said[0] >= 0)
		crew_wait(crew);
	fd_close(&crew->said[0]);
	fd_close(&crew->said[1]);
	fd_close(&crew->words[0]);
	fd_close(&crew->words[1]);
}
