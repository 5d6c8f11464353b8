/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/environment.h"

#include <stdlib.h>

#include "guest-init/until.h"

void environment_set(const struct passwd *pw)
{
	(void)clearenv();
	(void)setenv("HOME", pw->pw_dir, 1);
	(void)setenv("USER", pw->pw_name, 1);
	(void)setenv("LOGNAME", pw->pw_name, 1);
	(void)setenv("SHELL", pw->pw_shell, 1);
	(void)setenv(UNTIL_VARIABLE, until_text(), 1);
	(void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
}
