/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/become.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/rest.h"
#include "cli/target.h"
#include "cli/unit.h"
#include "store/paths.h"
#include "store/prepared.h"
#include "store/spec.h"

int become_keeper(const struct become *become, struct err *err)
{
	auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_fd files = handover_pack(become->files, become->spec, err);
	char number[16];
	const char *args[10] = { become->config->keeper, "--start", become->spec->id, "--state-dir",
				 become->spec->host.state_dir };
	char *argv[ARRAY_SIZE(args)];
	size_t n = 5;

	if (become->foreground)
		args[n++] = "--foreground";
	if (become->unit)
		args[n++] = "--unit";
	if (files < 0)
		return -1;
	(void)snprintf(number, sizeof(number), "%d", files);
	args[n++] = "--files";
	args[n++] = number;
	/* execve wants char *, and doesn't write through it */
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return err_sys(err, "/dev/null");
	(void)execv(argv[0], argv);
	return err_sys(err, "can't run %s", argv[0]);
}

/* The spec that create left for the unit of this name. */
static int spooled(const struct host_config *host, const char *name, struct spec *spec,
		   struct handover *files, struct err *err)
{
	char path[PATHS_SIZE], id[ID_SIZE] = "";

	if (readlink(paths_spool_name(host, name, path), id, sizeof(id)) != ID_LEN ||
	    !id_is_valid(id))
		return err_set(err, ERR_NOT_FOUND, "there is no sandbox %s", name);
	if (spec_read(paths_spool(host, id, path), spec, err) < 0)
		return -1;
	if (strcmp(spec->name, name) != 0)
		return err_set(err, ERR_FAILED, "%s: the spec of %s", path, spec->name);
	return handover_take_again(files, spec, HANDOVER_SAME, err);
}

int become_named(const struct config *config, const char *name, struct err *err)
{
	static struct spec spec;
	struct handover files = HANDOVER_NONE;
	struct become become = { .config = config, .spec = &spec, .files = &files };
	char id[ID_SIZE];
	bool own = unit_is_own(name);
	int rc = target_find(&config->host, name, id, err);

	if (rc == 0)
		rc = rest_prepare(config, name, id, &spec, &files, false, err);
	if (rc < 0 && err->code == ERR_NOT_FOUND)
		rc = spooled(&config->host, name, &spec, &files, err);
	if (rc < 0 || prepared_check(&spec.host, err) < 0)
		return -1;
	become.foreground = !own;
	become.unit = own || unit_is_delegated();
	if (!become.unit && unit_possible()) {
		if (unit_scope(name, getpid(), err) < 0)
			return -1;
		become.unit = true;
	}
	return become_keeper(&become, err);
}
