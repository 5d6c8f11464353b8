/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

static struct termios terminal_before;
static int terminal_fd = -1;

bool terminal_size(int fd, struct guest_winsize *size)
{
	struct winsize ws;

	if (fd < 0 || ioctl(fd, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 || ws.ws_col == 0)
		return false;
	*size = (struct guest_winsize){ .rows = ws.ws_row, .columns = ws.ws_col };
	return true;
}

int terminal_raw(int fd, struct err *err)
{
	static bool registered;
	struct termios raw;

	if (tcgetattr(fd, &terminal_before) < 0)
		return err_sys(err, "the terminal");
	raw = terminal_before;
	cfmakeraw(&raw);
	if (!registered)
		(void)atexit(terminal_restore);
	registered = true;
	terminal_fd = fd;
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
		terminal_fd = -1;
		return err_sys(err, "the terminal");
	}
	return 0;
}

void terminal_restore(void)
{
	/* default colours, cursor visible, no bracketed paste (xterm's control sequences) */
	static const char calm[] = "\x1b[0m\x1b[?25h\x1b[?2004l";

	if (terminal_fd < 0)
		return;
	(void)signal(SIGTTOU, SIG_IGN); /* also from the background */
	(void)tcsetattr(terminal_fd, TCSANOW, &terminal_before);
	terminal_fd = -1;
	if (isatty(STDOUT_FILENO) == 1)
		(void)!fd_write_all(STDOUT_FILENO, calm, sizeof(calm) - 1);
}

int terminal_signals(struct err *err)
{
	static const int numbers[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sigaddset(&set, numbers[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, "signals");
	return fd;
}
