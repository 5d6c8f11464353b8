/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * run: a sandbox in the foreground. Its keeper is our child; SIGTERM and SIGINT become its graceful
 * stop and verified teardown, and its exit is waited for before ours. With a command: the command's
 * exit code; without: how it ended.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proto/guest.h"
#include "cli/agent.h"
#include "cli/client.h"
#include "cli/points.h"
#include "cli/request.h"
#include "cli/specview.h"
#include "cli/start.h"

#define RETRY_MS 200

const struct opt verb_run_options[] = {
	{ 'n', "name", "NAME", "its name, instead of a drawn one" },
	REQUEST_OPTIONS,
	NETOPTS_OPTIONS,
	{ 0 },
};

struct run {
	struct request request;
	char drawn[ID_SIZE + 8];
	char **command; /* NULL: none */
};

static int draw_name(struct run *run, struct err *err)
{
	char id[ID_SIZE];

	if (id_draw(id, err) < 0)
		return -1;
	(void)snprintf(run->drawn, sizeof(run->drawn), "run-%.8s", id);
	run->request.name = run->drawn;
	return 0;
}

/*
 * [IMAGE] [-- CMD…]. getopt moves words about, so how many stand behind "--" is counted before it
 * runs.
 */
static int words_behind_dashes(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return argc - i - 1;
	}
	return -1;
}

static int take_words(struct cli *cli, struct run *run, const struct opts *opts, int behind,
		      struct err *err)
{
	int n;
	char **rest = opt_rest(opts, &n);
	int before = behind < 0 ? n : n - behind;

	if (before > 1)
		return cli_usage(cli, err, "one image, please; a command stands behind --");
	if (behind == 0)
		return cli_usage(cli, err, "the command is missing behind --");
	if (before == 1)
		run->request.image = rest[0];
	run->command = behind > 0 ? rest + before : NULL;
	return 0;
}

static int read_options(struct cli *cli, int argc, char **argv, struct run *run, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	int id, behind = words_behind_dashes(argc, argv);
	const char *value;

	while ((id = opt_next(&opts, &value, err)) > 0) {
		if (id == 'n')
			run->request.name = value;
		else if (request_option(&run->request, id, value, err) < 0)
			return -1;
	}
	if (id < 0 || (run->request.name == NULL && draw_name(run, err) < 0))
		return -1;
	return take_words(cli, run, &opts, behind, err);
}

/* Has one come? */
static bool take_signal(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

static int command_in_guest(const struct spec *spec, const struct run *run, int signals,
			    struct err *err)
{
	static const char *const no_envs[] = { NULL };
	const struct agent_command command = {
		.user = "", .cwd = "", .args = run->command, .envs = no_envs
	};
	const struct agent_streams streams = { .in = STDIN_FILENO,
					       .out = STDOUT_FILENO,
					       .err = STDERR_FILENO,
					       .stop = signals,
					       .signals = -1 };
	auto_fd stream = client_connect(&spec->host, spec->id, spec->name, GUEST_PORT_EXEC, err);

	(void)signal(SIGPIPE, SIG_IGN);
	return stream < 0 ? -1 : agent_exec(stream, &command, &streams, err);
}

/*
 * Ask to be told of the end: the answer comes when the keeper has torn down. -1: the keeper is
 * already going.
 */
static int ask_end(const struct spec *spec)
{
	struct ctl_request request = { .type = CTL_WAIT };
	struct err ignored;
	auto_fd fd = client_open(&spec->host, spec->id, spec->name, &ignored);

	return fd >= 0 && client_send(fd, &request, &ignored) == 0 ? fd_take(&fd) : -1;
}

/*
 * Until the keeper has exited: signals go on to it, its word on the end is kept. Returns its exit
 * code.
 */
static int wait_end(pid_t keeper, int signals, int end_fd, struct ctl_record *end)
{
	int pidfd = pidfd_open(keeper, 0), status = 0;
	struct ctl_record record;
	bool end_it = false;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = signals, .events = POLLIN },
			{ .fd = end_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), end_it ? RETRY_MS : -1) < 0 && errno != EINTR) {
			(void)kill(keeper, SIGTERM); /* nobody would tell it any more */
			break;
		}
		end_it |= fds[1].revents != 0 && take_signal(signals);
		if (end_it)
			end_it = kill(keeper, SIGTERM) < 0 && errno != ESRCH;
		if (fds[2].revents != 0 && client_receive(end_fd, &record, NULL) <= 0)
			end_fd = -1;
		else if (fds[2].revents != 0 && record.type == CTL_ENDED)
			*end = record;
		if ((fds[0].revents != 0 || pidfd < 0) && end_fd < 0)
			break;
	}
	fd_close(&pidfd);
	while (waitpid(keeper, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ERR_FAILED;
}

/*
 * An end that somebody asked for is 0; the date is a time-out; the rest are failures of the guest.
 */
static int code_of_end(const struct ctl_record *end)
{
	switch (end->code) {
	case END_DESTROYED:
	case END_GUEST_POWEROFF:
	case END_GUEST_REBOOT:
	case END_GUEST_HALT:
	case END_STOPPED:
		return 0;
	case END_EXPIRED:
		return ERR_TIMEOUT;
	default:
		return ERR_FAILED;
	}
}

static int live(const struct run *run, const struct spec *spec, pid_t keeper, struct err *err)
{
	struct ctl_record end = { .code = 0 };
	auto_fd signals = start_signals(err), end_fd = -1;
	int code = 0, keeper_code;

	if (signals < 0)
		return -1;
	end_fd = ask_end(spec);
	(void)sd_notify(0, "READY=1");
	points_meet(POINTS_LIVING);
	if (run->command != NULL) {
		code = command_in_guest(spec, run, signals, err);
		(void)kill(keeper, SIGTERM);
	}
	keeper_code = wait_end(keeper, signals, end_fd, &end);
	points_meet(POINTS_ENDED);
	if (keeper_code == ERR_RESIDUE)
		return err_set(err, ERR_RESIDUE,
			       "%s has ended, but something of it is left: see `mayfly verify %s`",
			       spec->name, spec->id);
	if (run->command != NULL && end.code == END_EXPIRED && (code < 0 || code == AGENT_STOPPED))
		return err_set(err, ERR_TIMEOUT, "%s: its date came before the command's end",
			       spec->name);
	if (run->command != NULL)
		return code == AGENT_STOPPED ? 128 + SIGTERM : code;
	return keeper_code != 0 ? keeper_code : code_of_end(&end);
}

int verb_run(struct cli *cli, int argc, char **argv, struct err *err)
{
	static struct spec spec;
	struct handover files = HANDOVER_NONE;
	struct run run = { .request.durable = false };
	struct start start = {
		.config = &cli->config, .spec = &spec, .files = &files, .foreground = true
	};
	bool by_default = false;
	char date[STR_INSTANT_SIZE];
	int rc;

	if (read_options(cli, argc, argv, &run, err) < 0 || cli_begin(cli, err) < 0)
		return -1;
	rc = request_take_timeout(&start.timeout_s, run.request.timeout, err);
	if (rc == 0)
		rc = request_resolve(&run.request, &cli->config, time(NULL), &spec, &files,
				     &by_default, err);
	if (rc == 0 && run.request.dry_run)
		return specview_dry_run(&spec, err);
	if (rc == 0)
		rc = start_sandbox(&start, err);
	if (rc == 0 && by_default)
		log_info("%s ends at %s at the latest, this site's default life", spec.name,
			 str_from_instant(spec.deadline_s, date, sizeof(date)));
	if (rc == 0)
		rc = live(&run, &spec, start.child, err);
	handover_close(&files);
	explicit_bzero(&spec, sizeof(spec));
	return rc;
}
