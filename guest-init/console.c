/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The end of a session's leader hangs its terminal up: every descriptor of it but /dev/console is dead then, ours too.
 * So PID 1 has the console open only while no shell does, and opens it anew after each one.
 */
#include "guest-init/console.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "guest-init/environment.h"
#include "guest-init/say.h"
#include "guest-init/spawn.h"
#include "guest-init/until.h"

static const char console_hint[] = "\r\nmayfly: press Enter for a root shell\r\n";

/* How the kernel made it: a shell that was killed, or told somebody's editor to, leaves it in another state. */
static struct termios console_modes;
static bool console_modes_known;

void console_open(struct console *console)
{
	*console = (struct console){ .fd = open(CONSOLE_DEVICE,
						O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) };
	if (console->fd < 0)
		return;
	if (!console_modes_known)
		console_modes_known = tcgetattr(console->fd, &console_modes) == 0;
	else
		(void)tcsetattr(console->fd, TCSANOW, &console_modes);
	(void)tcflow(console->fd, TCOON); /* whoever was there pressed ^S */
	(void)tcflush(console->fd, TCIFLUSH);
	(void)!write(console->fd, console_hint, sizeof(console_hint) - 1);
}

/* A login shell, in the session that spawn_fork made, with the console as its terminal. */
static _Noreturn void become_shell(int fd)
{
	struct passwd *pw = getpwuid(0);
	const char *shell =
		pw != NULL && access(pw->pw_shell, X_OK) == 0 ? pw->pw_shell : "/bin/sh";
	const char *slash = strrchr(shell, '/');
	char name[64];
	int flags = fcntl(fd, F_GETFL);

	(void)!read(fd, name,
		    sizeof(name)); /* the Enter; what was typed behind it is the shell's */
	if (pw == NULL || flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    ioctl(fd, TIOCSCTTY, 1) < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	environment_set(pw);
	(void)setenv("TERM", "xterm", 1);
	until_greet(STDOUT_FILENO);
	if (chdir(pw->pw_dir) < 0)
		(void)!chdir("/");
	(void)snprintf(name, sizeof(name), "-%.60s", slash != NULL ? slash + 1 : shell);
	(void)execl(shell, name, (char *)NULL);
	say("%s: %s", shell, err_errno_text(errno));
	_exit(127);
}

void console_serve(struct console *console)
{
	pid_t pid;

	until_refresh();
	pid = spawn_fork(&console->fd);
	if (pid == 0)
		become_shell(console->fd);
	fd_close(&console->fd); /* also when there's no process: a key must not be a busy loop */
	console->shell = pid > 0 ? pid : 0;
}

void console_child_gone(struct console *console, pid_t pid)
{
	if (pid == console->shell)
		console->shell = 0;
	if (console->shell == 0 && console->fd < 0)
		console_open(console);
}
