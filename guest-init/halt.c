/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/halt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/err.h"
#include "guest-init/say.h"

static const struct {
	const char *name;
	int signal;
} halt_names[] = {
	{ "poweroff", HALT_SIGNAL_POWEROFF },
	{ "reboot", HALT_SIGNAL_REBOOT },
	{ "halt", HALT_SIGNAL_HALT },
	{ "shutdown", HALT_SIGNAL_POWEROFF },
};

void halt_install(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(halt_names); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/sbin/%s", halt_names[i].name);
		(void)unlink(path);
		if (symlink(HALT_PROGRAM, path) < 0)
			say("%s: %s", path, err_errno_text(errno));
	}
}

static bool wants_reboot(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-r") == 0 || strcmp(argv[i], "--reboot") == 0)
			return true;
	}
	return false;
}

bool halt_main(int argc, char **argv, int *exit_code)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash != NULL ? slash + 1 : argv[0];

	for (size_t i = 0; i < ARRAY_SIZE(halt_names); i++) {
		int signal = halt_names[i].signal;

		if (strcmp(name, halt_names[i].name) != 0)
			continue;
		if (strcmp(name, "shutdown") == 0 && wants_reboot(argc, argv))
			signal = HALT_SIGNAL_REBOOT;
		*exit_code = kill(1, signal) == 0 ? 0 : 1;
		if (*exit_code != 0)
			(void)dprintf(STDERR_FILENO, "%s: %s\n", name, err_errno_text(errno));
		return true;
	}
	return false;
}
