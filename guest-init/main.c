/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * mayfly-init: PID 1 of a sandbox.
 *
 * Stages: tell the bench that user code runs → early mounts → configuration → root → account, network, services →
 * control stream: ready → serve. In "serve" PID 1 sits in one poll over signals, the control stream, listening sockets
 * and the deadline; it never blocks on anything that another process controls. Whatever ends the machine goes through
 * end_machine, with the reason told to the host first.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/io.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "guest-init/account.h"
#include "guest-init/config.h"
#include "guest-init/console.h"
#include "guest-init/control.h"
#include "guest-init/end.h"
#include "guest-init/halt.h"
#include "guest-init/net.h"
#include "guest-init/root.h"
#include "guest-init/say.h"
#include "guest-init/service.h"
#include "guest-init/until.h"

#define FIRST_SERVICE 5	 /* in the poll set */
#define GRACE_S	      5u /* between SIGTERM and SIGKILL when the machine ends by itself */

struct machine {
	int signals, control, deadline, minute;
	int services[SERVICE_KINDS];
	struct console console;
};

static void mark_first_user_code(void)
{
	if (ioperm(GUEST_BENCH_PIO_PORT, 1, 1) == 0) {
		outb(1, GUEST_BENCH_PIO_PORT);
		(void)ioperm(GUEST_BENCH_PIO_PORT, 1, 0);
	}
}

static void set_clock(int64_t now_ns)
{
	const struct timespec now = { .tv_sec = now_ns / 1000000000,
				      .tv_nsec = now_ns % 1000000000 };

	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		say("clock: %s", err_errno_text(errno));
}

/* The clock comes from KVM; only a guest that woke up before the host made its record has it wrong. */
static void correct_clock(int64_t host_ns)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || now.tv_sec < host_ns / 1000000000)
		set_clock(host_ns);
}

static void arm_deadline(int fd, int64_t deadline_s)
{
	const struct itimerspec at = { .it_value = { .tv_sec = deadline_s } };

	until_set(deadline_s);
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		say("deadline: %s", err_errno_text(errno));
}

/* Since the boot, so that guests don't wake at the same time. */
static int open_minute(void)
{
	const struct itimerspec each = { .it_value = { .tv_sec = UNTIL_MINUTE_S },
					 .it_interval = { .tv_sec = UNTIL_MINUTE_S } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	(void)timerfd_settime(fd, 0, &each, NULL);
	return fd;
}

static void on_minute(const struct machine *m)
{
	uint64_t minutes;

	if (read(m->minute, &minutes, sizeof(minutes)) > 0)
		until_refresh();
}

static int open_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, HALT_SIGNAL_HALT);
	(void)sigaddset(&set, HALT_SIGNAL_POWEROFF);
	(void)sigaddset(&set, HALT_SIGNAL_REBOOT);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap_children(struct machine *m)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		service_child_gone(pid);
		console_child_gone(&m->console, pid);
	}
}

static void on_signal(struct machine *m)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap_children(m);
			break;
		case HALT_SIGNAL_POWEROFF:
			end_machine(m->control, GUEST_END_POWEROFF, GRACE_S, "poweroff");
		case HALT_SIGNAL_HALT:
			end_machine(m->control, GUEST_END_HALT, GRACE_S, "halt");
		default:
			end_machine(m->control, GUEST_END_REBOOT, GRACE_S, "reboot");
		}
	}
}

static void on_control(struct machine *m)
{
	struct control_request request;

	if (!control_receive(m->control, &request)) {
		say("the host has closed the control stream");
		fd_close(&m->control);
		return;
	}
	switch (request.type) {
	case GUEST_SHUTDOWN:
		end_machine(m->control, GUEST_END_SHUTDOWN, request.shutdown.timeout_s,
			    "the host asked");
	case GUEST_CLOCK:
		set_clock(request.clock.now_ns);
		break;
	case GUEST_NOTICE:
		until_notice(request.notice.left_s);
		break;
	default:
		arm_deadline(m->deadline, request.deadline.deadline_s);
		until_moved();
		break;
	}
	until_refresh();
}

static _Noreturn void serve(struct machine *m)
{
	for (;;) {
		struct pollfd fds[FIRST_SERVICE + SERVICE_KINDS] = {
			{ .fd = m->signals, .events = POLLIN },
			{ .fd = m->control, .events = POLLIN },
			{ .fd = m->deadline, .events = POLLIN },
			{ .fd = m->console.fd, .events = POLLIN },
			{ .fd = m->minute, .events = POLLIN },
		};

		for (int i = 0; i < SERVICE_KINDS; i++)
			fds[FIRST_SERVICE + i] =
				(struct pollfd){ .fd = m->services[i], .events = POLLIN };
		if (poll(fds, FIRST_SERVICE + SERVICE_KINDS, -1) < 0)
			continue;
		if (fds[0].revents != 0)
			on_signal(m);
		if (fds[1].revents != 0)
			on_control(m);
		if (fds[2].revents != 0)
			end_machine(m->control, GUEST_END_DEADLINE, GRACE_S, "the date has come");
		if (fds[3].revents != 0)
			console_serve(&m->console);
		if (fds[4].revents != 0)
			on_minute(m);
		for (int i = 0; i < SERVICE_KINDS; i++) {
			if (fds[FIRST_SERVICE + i].revents != 0)
				service_accept((enum service_kind)i, m->services[i]);
		}
	}
}

/* The initramfs is out of sight after the change of root; the commands that end the machine need this program. */
static void keep_program(void)
{
	auto_fd from = open("/init", O_RDONLY | O_CLOEXEC);
	auto_fd to = -1;
	struct stat st;

	(void)mkdir("/run/mayfly", 0755);
	to = open(HALT_PROGRAM, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (from < 0 || to < 0 || fstat(from, &st) < 0 ||
	    sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size)
		say("%s: %s", HALT_PROGRAM, err_errno_text(errno));
}

static void bring_up(struct machine *m)
{
	static struct config config;
	const char *why;

	if (root_mount_early() < 0)
		say("some early file systems can't be mounted");
	m->control = control_open();
	if (config_load("/" GUEST_CONFIG_PATH, &config, &why) < 0)
		end_machine(m->control, GUEST_END_FAILED, 0, why);
	(void)unlink("/" GUEST_CONFIG_PATH);
	correct_clock(config.record.now_ns);
	keep_program();
	if (root_switch((config.record.flags & GUEST_HAS_DISK) != 0, &why) < 0)
		end_machine(m->control, GUEST_END_FAILED, 0, why);
	account_set_up(&config);
	halt_install();
	net_up(&config.record);
	arm_deadline(m->deadline, config.record.deadline_s);
	until_install();
	until_refresh();
	service_listen(m->services);
}

int main(int argc, char **argv)
{
	struct machine m = { .control = -1 };
	int exit_code;

	if (halt_main(argc, argv, &exit_code))
		return exit_code;
	if (getpid() != 1) {
		say("is PID 1 of a sandbox; it does nothing else");
		return 2;
	}
	mark_first_user_code();
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	m.signals = open_signals();
	m.deadline = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	m.minute = open_minute();
	bring_up(&m);
	if (m.control < 0 || control_ready(m.control) < 0)
		say("the host can't be told that the machine is ready");
	console_open(&m.console); /* the host doesn't wait for it */
	serve(&m);
}
