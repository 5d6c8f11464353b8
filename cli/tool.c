/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/points.h"

#define MAX_ARGS 8

extern char **environ;

static int spawn(const struct config *config, const char *const args[], int in, int out, pid_t *pid,
		 struct err *err)
{
	char *argv[MAX_ARGS + 2];
	posix_spawn_file_actions_t actions;
	size_t n = 0;
	int rc;

	/* execve wants char *, and doesn't write through it */
	argv[n++] = (char *)(uintptr_t)config->keeper;
	for (size_t i = 0; args[i] != NULL; i++) {
		BUG_ON(n > MAX_ARGS);
		argv[n++] = (char *)(uintptr_t)args[i];
	}
	argv[n] = NULL;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	rc = posix_spawn(pid, config->keeper, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(err, "can't run %s", config->keeper);
}

/* Read records to the end of the stream; true when one was an error, or not all could be read, then err holds it. */
static bool take_records(int fd, tool_take_fn *take, void *arg, struct err *err)
{
	struct ctl_record record;
	bool failed = false;

	while (fd_read_all(fd, &record, sizeof(record)) == 0) {
		record.id[sizeof(record.id) - 1] = '\0';
		record.name[sizeof(record.name) - 1] = '\0';
		record.text[sizeof(record.text) - 1] = '\0';
		points_meet(POINTS_TOOL_TOLD);
		if (record.type == CTL_ERROR) {
			failed = true;
			(void)err_set(err, record.code != 0 ? (int)record.code : ERR_FAILED, "%s",
				      record.text);
		} else {
			take(arg, &record);
		}
	}
	if (errno != EPIPE) { /* that is the end */
		failed = true;
		(void)err_sys(err, "can't read all that the keeper's tool said");
	}
	return failed;
}

static int wait_for(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

int tool_run(const struct config *config, const char *const args[], tool_take_fn *take, void *arg,
	     struct err *err)
{
	int in[2], out[2], status;
	bool failed;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	if (pipe2(out, O_CLOEXEC) < 0) {
		fd_close(&in[0]);
		fd_close(&in[1]);
		return err_sys(err, "pipe");
	}
	auto_fd to_tool = in[1], from_tool = out[0], tool_in = in[0], tool_out = out[1];
	if (spawn(config, args, tool_in, tool_out, &pid, err) < 0)
		return -1;
	points_meet(POINTS_TOOL_STARTED);
	fd_close(&tool_in);
	fd_close(&tool_out);
	(void)signal(SIGPIPE, SIG_IGN);
	/* a tool that ends before it has read this says why on its stdout */
	(void)fd_write_all(to_tool, &config->host, sizeof(config->host));
	fd_close(&to_tool);
	failed = take_records(from_tool, take, arg, err);
	fd_close(&from_tool); /* what wasn't read must not hold it up */
	if (wait_for(pid, &status) < 0)
		return err_sys(err, "waiting for %s", config->keeper);
	points_meet(POINTS_TOOL_ENDED);
	if (failed)
		return -1;
	if (!WIFEXITED(status))
		return err_set(err, ERR_FAILED, "%s was killed by signal %d", config->keeper,
			       WTERMSIG(status));
	return WEXITSTATUS(status);
}
