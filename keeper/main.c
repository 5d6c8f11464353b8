/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * mayfly-keeper: one sandbox's keeper (--start), or a tool for what needs the kernel. As a tool it reads struct
 * host_config from stdin and writes struct ctl_record to stdout, the last of which is CTL_OK or CTL_ERROR.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/deaths.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/audit.h"
#include "keeper/doctor.h"
#include "keeper/host.h"
#include "keeper/inject.h"
#include "keeper/keeper.h"
#include "keeper/progress.h"
#include "keeper/reap.h"
#include "keeper/sink.h"
#include "keeper/teardown.h"
#include "store/spec.h"

struct options {
	const char *id;
	const char *state_dir;
	const char *only; /* one of doctor's checks; NULL: all */
	uint64_t files;	  /* inherited socket with kernel and image; 0: none */
	bool foreground, unit, dry_run, force;
};

struct verb {
	const char *flag;
	bool takes_id;
	int (*run)(const struct options *o, const struct host_config *host, const struct sink *sink,
		   struct err *err);
};

static int main_reap(const struct options *o, const struct host_config *host,
		     const struct sink *sink, struct err *err)
{
	return reap_run(host, o->dry_run, sink, err);
}

static int main_destroy(const struct options *o, const struct host_config *host,
			const struct sink *sink, struct err *err)
{
	return reap_destroy(host, o->id, o->force, sink, err);
}

static int main_verify(const struct options *o, const struct host_config *host,
		       const struct sink *sink, struct err *err)
{
	int left;

	if (!id_is_valid(o->id))
		return err_set(err, ERR_USAGE, "\"%.40s\" is not an id", o->id);
	left = teardown_verify(host, o->id, sink, err);
	if (left < 0)
		return -1;
	return left ? err_set(err, ERR_RESIDUE, "%d kinds are there", left) : 0;
}

static int main_stuck(const struct options *o, const struct host_config *host,
		      const struct sink *sink, struct err *err)
{
	(void)sink;
	if (!id_is_valid(o->id))
		return err_set(err, ERR_USAGE, "\"%.40s\" is not an id", o->id);
	return teardown_stuck(host, o->id) ? err_set(err, ERR_RESIDUE, "it is still there") : 0;
}

static int main_host_up(const struct options *o, const struct host_config *host,
			const struct sink *sink, struct err *err)
{
	(void)o;
	return host_up(host, sink, err);
}

static int main_host_down(const struct options *o, const struct host_config *host,
			  const struct sink *sink, struct err *err)
{
	return host_down(host, o->force, sink, err);
}

static int main_doctor(const struct options *o, const struct host_config *host,
		       const struct sink *sink, struct err *err)
{
	int bad = doctor_run(host, o->only, sink);

	return bad ? err_set(err, ERR_FAILED, "%d checks failed", bad) : 0;
}

static int main_audit(const struct options *o, const struct host_config *host,
		      const struct sink *sink, struct err *err)
{
	int left = audit_run(host, sink, err);

	(void)o;
	if (left <= 0)
		return left;
	return err_set(err, ERR_RESIDUE,
		       "%d left over: `mayfly reap` removes what is a dead sandbox's", left);
}

static const struct verb main_verbs[] = {
	{ "--reap", false, main_reap },	      { "--destroy", true, main_destroy },
	{ "--verify", true, main_verify },    { "--stuck", true, main_stuck },
	{ "--host-up", false, main_host_up }, { "--host-down", false, main_host_down },
	{ "--doctor", false, main_doctor },   { "--audit", false, main_audit },
};

static void main_put(void *arg, const struct ctl_record *record)
{
	(void)arg;
	/* a reader that has gone changes nothing about the work */
	(void)!fd_write_all(STDOUT_FILENO, record, sizeof(*record));
}

static int main_tool(const struct verb *verb, const struct options *o)
{
	const struct sink sink = { .put = main_put };
	struct host_config host;
	struct err err = { 0 };
	int rc;

	deaths_role("keeper");
	(void)signal(SIGPIPE, SIG_IGN);
	if (fd_read_all(STDIN_FILENO, &host, sizeof(host)) < 0)
		rc = err_set(&err, ERR_USAGE, "no configuration on stdin");
	else
		rc = spec_check_host(&host, &err);
	if (rc == 0)
		rc = verb->run(o, &host, &sink, &err);
	if (rc < 0)
		sink_put(&sink, CTL_ERROR, (uint32_t)err.code, "%s", err.text);
	else
		sink_put(&sink, CTL_OK, 0, "%s", "");
	return rc < 0 ? err.code : 0;
}

static int main_usage(const char *what)
{
	log_error("%s; usage: mayfly-keeper --start ID --state-dir DIR [--foreground] [--unit] "
		  "[--files FD] | "
		  "--reap "
		  "[--dry-run] | "
		  "--destroy ID [--force] | --verify ID | --stuck ID | --host-up | --host-down "
		  "[--force] | "
		  "--doctor [--only CHECK] | --audit",
		  what);
	return ERR_USAGE;
}

#ifdef MAYFLY_INJECT
static int main_name_steps(void)
{
	char name[64];

	for (unsigned n = 1; n <= inject_count(); n++)
		(void)puts(inject_name(n, name, sizeof(name)));
	return 0;
}
#endif

static const struct verb *main_find(const char *flag)
{
	for (size_t i = 0; i < ARRAY_SIZE(main_verbs); i++)
		if (strcmp(flag, main_verbs[i].flag) == 0)
			return &main_verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb = NULL;
	struct options o = { 0 };
	bool start = false;

	log_init("mayfly-keeper");
	(void)signal(SIGCHLD,
		     SIG_DFL); /* inherited as ignored, no child's exit code would be told */
	for (int i = 1; i < argc; i++) {
		const char *flag = argv[i];
		const struct verb *found = main_find(flag);
		bool takes_value = (found && found->takes_id) || strcmp(flag, "--start") == 0;

		if ((found || strcmp(flag, "--start") == 0) && (verb || start))
			return main_usage("one thing at a time");
		if (takes_value && i + 1 == argc)
			return main_usage("an id is missing");
		if (takes_value)
			o.id = argv[++i];
		if (found)
			verb = found;
		else if (takes_value)
			start = true;
		else if (strcmp(flag, "--state-dir") == 0 && i + 1 < argc)
			o.state_dir = argv[++i];
		else if (strcmp(flag, "--foreground") == 0)
			o.foreground = true;
		else if (strcmp(flag, "--files") == 0 && i + 1 < argc &&
			 str_to_u64(argv[i + 1], 1023, &o.files) && o.files > 2)
			i++;
		else if (strcmp(flag, "--unit") == 0)
			o.unit = true;
		else if (strcmp(flag, "--dry-run") == 0)
			o.dry_run = true;
		else if (strcmp(flag, "--force") == 0)
			o.force = true;
		else if (strcmp(flag, "--only") == 0 && i + 1 < argc)
			o.only = argv[++i];
#ifdef MAYFLY_INJECT
		else if (strcmp(flag, "--name-steps") == 0)
			return main_name_steps();
#endif
		else
			return main_usage(flag);
	}
	if (start && o.state_dir)
		return keeper_run(
			&(const struct keeper_options){ .state_dir = o.state_dir,
							.id = o.id,
							.files = o.files ? (int)o.files : -1,
							.foreground = o.foreground,
							.unit = o.unit });
	return verb ? main_tool(verb, &o) : main_usage("nothing to do");
}
