/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * cp: trees into a sandbox and out of it. A child of ours reads or makes the files here (cli/tree.h); GNU tar does it
 * in the guest; between them a pipe and the exec service. Semantics are those of cp -a: an existing directory takes the
 * copy in under its own name, SRC/. is what is in SRC.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/guest.h"
#include "base/str.h"
#include "cli/agent.h"
#include "cli/client.h"
#include "cli/place.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "cli/text.h"
#include "cli/tree.h"

#define COMPLAINTS_MAX 4096 /* bytes of what the guest's tar says */
#define LEFT_OUT_SHOWN 10
#define DRAW_MS	       200

/* Exit codes of our child; the parent turns them into one. */
enum { CHILD_OK, CHILD_FAILED, CHILD_NO_STREAM };

enum { CP_LIMIT = OPT_LONG + 1 };

const struct opt verb_cp_options[] = {
	{ 'a', "archive", NULL, "keep owners and set-uid bits too" },
	{ 'u', "user", "NAME", "who reads and writes inside, instead of root" },
	{ CP_LIMIT, "limit", "SIZE", "take at most so much out of a sandbox" },
	{ 0 },
};

struct cp {
	const struct host_config *host;
	char name[STR_NAME_MAX + 1], id[ID_SIZE];
	const char *user;
	bool up; /* into the sandbox */
	bool archive;
	uint64_t limit;
	struct place here, there;
	struct progress progress;
	int64_t drawn_ms;
};

/* ---- in our child */

static void show_moved(void *arg, const char *path, uint64_t bytes)
{
	struct cp *cp = arg;
	struct timespec now;
	int64_t now_ms;
	char size[16];

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (now_ms - cp->drawn_ms < DRAW_MS)
		return;
	cp->drawn_ms = now_ms;
	progress_say(&cp->progress, "%s  %s", str_from_size(bytes, size, sizeof(size)), path);
	progress_tick(&cp->progress);
}

static void show_left_out(void *arg, const char *path, const char *why)
{
	struct cp *cp = arg;
	char line[512], reason[128];
	static unsigned shown;

	progress_erase(&cp->progress);
	if (shown < LEFT_OUT_SHOWN)
		(void)fprintf(stderr, "mayfly: left out: %s: %s\n",
			      text_line(path, line, sizeof(line)),
			      text_line(why, reason, sizeof(reason)));
	else if (shown == LEFT_OUT_SHOWN)
		(void)fprintf(stderr, "mayfly: left out: and more\n");
	shown++;
}

/* Names are bytes; only in a UTF-8 locale does libarchive leave them alone. */
static _Noreturn void run_child(struct cp *cp, int fd)
{
	struct tree tree = { .fd = fd,
			     .here = cp->here.base,
			     .there = cp->there.base,
			     .archive = cp->archive,
			     .limit = cp->limit,
			     .moved = show_moved,
			     .left_out = show_left_out,
			     .arg = cp };
	struct err err = { 0 };
	char line[512];
	int rc = -1;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	progress_begin(&cp->progress);
	if (chdir(cp->here.dir) < 0)
		(void)err_sys(&err, "%s", cp->here.dir);
	else
		rc = cp->up ? tree_send(&tree, &err) : tree_take(&tree, &err);
	progress_erase(&cp->progress);
	if (rc < 0 && err.os_errno == EPIPE) /* the other side knows why */
		_exit(CHILD_NO_STREAM);
	if (rc < 0)
		(void)fprintf(stderr, "mayfly: cp: %s\n", text_line(err.text, line, sizeof(line)));
	_exit(rc == 0 && tree.n_left_out == 0 ? CHILD_OK : CHILD_FAILED);
}

struct child {
	pid_t pid;
	int pidfd, fd; /* our end of the pipe */
};

static int start_child(struct cp *cp, struct child *child, struct err *err)
{
	int pair[2], mine = cp->up ? 0 : 1;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	(void)fflush(NULL);
	child->pid = fork();
	if (child->pid == 0) {
		(void)close(pair[mine]);
		run_child(cp, pair[1 - mine]);
	}
	(void)close(pair[1 - mine]);
	child->fd = pair[mine];
	child->pidfd = child->pid > 0 ? (int)syscall(SYS_pidfd_open, child->pid, 0) : -1;
	return child->pidfd < 0 ? err_sys(err, "can't start a process") : 0;
}

static int end_child(struct child *child)
{
	int status;

	fd_close(&child->fd);
	fd_close(&child->pidfd);
	if (waitpid(child->pid, &status, 0) != child->pid || !WIFEXITED(status))
		return CHILD_FAILED;
	return WEXITSTATUS(status);
}

/* ---- in the guest */

/* Run words there. Its exit code, AGENT_STOPPED, or -1 with err; what it says on stderr is in complaints (a memfd). */
static int run_there(const struct cp *cp, const char *const words[], struct agent_streams *streams,
		     struct err *err)
{
	static const char *const envs[] = { "LC_ALL=C", NULL };
	struct agent_command command = { .user = cp->user, .cwd = "", .envs = envs };
	auto_fd stream = client_connect(cp->host, cp->id, cp->name, GUEST_PORT_EXEC, err);

	command.args = (char *const *)(uintptr_t)words; /* read only */
	streams->signals = -1;
	streams->err_max = COMPLAINTS_MAX;
	return stream < 0 ? -1 : agent_exec(stream, &command, streams, err);
}

static void show_complaints(const struct cp *cp, int fd)
{
	char bytes[COMPLAINTS_MAX + 1], line[1024];
	ssize_t n = pread(fd, bytes, COMPLAINTS_MAX, 0);
	char *save = NULL;

	bytes[n > 0 ? n : 0] = '\0';
	for (char *word = strtok_r(bytes, "\n", &save); word != NULL;
	     word = strtok_r(NULL, "\n", &save))
		(void)fprintf(stderr, "%s: %s\n", cp->name, text_line(word, line, sizeof(line)));
}

/* What DST is: a directory, something else, nothing. 'd', 'e', 'n', or -1 with err. */
static int look_there(const struct cp *cp, const char *path, struct err *err)
{
	const char *const words[] = {
		"sh",
		"-c",
		"if [ -d \"$1\" ]; then echo d; elif [ -e \"$1\" ]; then echo e; else echo n; fi",
		"sh",
		path,
		NULL
	};
	auto_fd nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd answer = memfd_create("answer", MFD_CLOEXEC);
	struct agent_streams streams = { .in = nothing, .out = answer, .err = nothing, .stop = -1 };
	int code = run_there(cp, words, &streams, err);
	char kind = 0;

	if (code < 0)
		return -1;
	if (code != 0 || pread(answer, &kind, 1, 0) != 1 || strchr("den", kind) == NULL)
		return err_set(err, ERR_FAILED,
			       "%s: can't look at %s inside: a shell is needed there", cp->name,
			       path);
	return kind;
}

static int judge(const struct cp *cp, int code, int child, struct err *err)
{
	if (code == 127)
		return err_set(err, ERR_FAILED,
			       "%s: there is no tar inside: its image needs GNU tar for copies",
			       cp->name);
	if (code == AGENT_STOPPED || child == CHILD_FAILED)
		return 1; /* our child has said why */
	if (code == 2 || code == 64)
		return err_set(err, ERR_FAILED, "%s: tar failed inside (it must be GNU tar)",
			       cp->name);
	if (code != 0)
		return err_set(err, ERR_FAILED, "%s: tar ended inside with %d", cp->name, code);
	if (child == CHILD_NO_STREAM)
		return err_set(err, ERR_FAILED, "%s: tar said nothing inside", cp->name);
	return 0;
}

static int transfer(struct cp *cp, const char *const words[], struct err *err)
{
	struct agent_streams streams = { .out = -1, .stop = -1 };
	auto_fd complaints = memfd_create("complaints", MFD_CLOEXEC);
	auto_fd nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct child child;
	int code, ended;

	if (complaints < 0 || nothing < 0)
		return err_sys(err, "cp");
	if (start_child(cp, &child, err) < 0)
		return -1;
	streams.in = cp->up ? child.fd : nothing;
	streams.err = complaints;
	if (!cp->up) {
		streams.out = child.fd;
		streams.stop = child.pidfd; /* it has seen enough of this stream */
	}
	code = run_there(cp, words, &streams, err);
	ended = end_child(&child);
	show_complaints(cp, complaints);
	return code < 0 ? -1 : judge(cp, code, ended, err);
}

static int copy_in(struct cp *cp, struct err *err)
{
	char directory[PLACE_SIZE + 16];
	const char *words[] = { "tar",
				"-x",
				"-f",
				"-",
				"-p",
				cp->archive ? "--same-owner" : "--no-same-owner",
				"--warning=no-unknown-keyword",
				"--numeric-owner",
				directory,
				NULL };

	(void)snprintf(directory, sizeof(directory), "--directory=%s", cp->there.dir);
	return transfer(cp, words, err);
}

static int copy_out(struct cp *cp, struct err *err)
{
	char directory[PLACE_SIZE + 16];
	const char *words[] = { "tar",
				"-c",
				"-f",
				"-",
				"--format=posix",
				"--sparse",
				"--numeric-owner",
				directory,
				"--",
				cp->there.base,
				NULL };

	(void)snprintf(directory, sizeof(directory), "--directory=%s", cp->there.dir);
	return transfer(cp, words, err);
}

/* ---- which is what */

/* NAME:PATH. A path of this side with a colon in its first part is written ./a:b. */
static const char *sandbox_path(const char *word, char name[STR_NAME_MAX + 1])
{
	const char *colon = strchr(word, ':');
	size_t n = colon != NULL ? (size_t)(colon - word) : 0;

	if (n == 0 || n > STR_NAME_MAX)
		return NULL;
	memcpy(name, word, n);
	name[n] = '\0';
	return str_is_name(name) ? colon + 1 : NULL;
}

static int kind_here(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 'n';
	return S_ISDIR(st.st_mode) ? 'd' : 'e';
}

/* Where the copy goes: into a directory that is there, else under the name that was given. */
static int place_target(struct place *target, const char *path, int kind,
			const struct place *source, struct err *err)
{
	bool into = kind == 'd';

	if (!into && path[0] != '\0' && path[strlen(path) - 1] == '/')
		return err_set(err, ERR_FAILED, "%s: there is no such directory", path);
	if (into ? !place_inside(target, path, source->base) : !place_split(target, path))
		return err_set(err, ERR_USAGE, "%.60s…: the path is too long", path);
	return 0;
}

static int find_places(struct cp *cp, const char *from, const char *to, struct err *err)
{
	struct place *source = cp->up ? &cp->here : &cp->there;
	struct place *target = cp->up ? &cp->there : &cp->here;
	struct stat st;
	int kind;

	if (!place_split(source, from))
		return err_set(err, ERR_USAGE, "%.60s…: the path is too long", from);
	if (cp->up && lstat(from, &st) < 0)
		return err_sys(err, "%s", from);
	if (cp->up && to[0] == '\0')
		to = ".";
	kind = cp->up ? look_there(cp, to, err) : kind_here(to);
	if (kind < 0)
		return -1;
	if (cp->up && kind == 'e' && S_ISDIR(st.st_mode))
		return err_set(err, ERR_FAILED, "%s is a directory, %s:%s is not", from, cp->name,
			       to);
	return place_target(target, to, kind, source, err);
}

static int read_words(struct cp *cp, int argc, char **argv, struct cli *cli, char ***words,
		      struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	const char *value;
	int option, n;

	while ((option = opt_next(&opts, &value, err)) > 0) {
		if (option == 'a')
			cp->archive = true;
		else if (option == 'u')
			cp->user = value;
		else if (!str_to_size(value, &cp->limit))
			return err_set(err, ERR_USAGE, "--limit %.40s: write it as 512M or 8G",
				       value);
	}
	if (option < 0)
		return -1;
	*words = opt_rest(&opts, &n);
	return n == 2 ? 0 : cli_usage(cli, err, "one source and one target, please");
}

int verb_cp(struct cli *cli, int argc, char **argv, struct err *err)
{
	static struct cp cp;
	const char *from, *to, *remote_from, *remote_to;
	char name_from[STR_NAME_MAX + 1], name_to[STR_NAME_MAX + 1], **words = NULL;

	cp = (struct cp){ .host = &cli->config.host, .user = "" };
	if (read_words(&cp, argc, argv, cli, &words, err) < 0)
		return -1;
	from = words[0];
	to = words[1];
	remote_from = sandbox_path(from, name_from);
	remote_to = sandbox_path(to, name_to);
	if ((remote_from == NULL) == (remote_to == NULL))
		return cli_usage(
			cli, err,
			"one of the two is NAME:PATH (a path of this side with a colon: ./a:b)");
	cp.up = remote_to != NULL;
	(void)str_copy(cp.name, sizeof(cp.name), cp.up ? name_to : name_from);
	if (cli_begin(cli, err) < 0 || target_find(&cli->config.host, cp.name, cp.id, err) < 0)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	if (find_places(&cp, cp.up ? from : remote_from, cp.up ? remote_to : to, err) < 0)
		return -1;
	return cp.up ? copy_in(&cp, err) : copy_out(&cp, err);
}
