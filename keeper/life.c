/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The life of a sandbox once its monitor runs. Everything that happens is one of LIFE_EVENTS; the table below says what
 * each means in each state, and is the whole truth about it. A reason is decided once, when the end begins; only a
 * destroy may still change it, since it also takes what a stop would keep.
 */
#include "keeper/life.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "jail/filter.h"
#include "keeper/date.h"
#include "keeper/hear.h"
#include "keeper/progress.h"
#include "keeper/watch.h"
#include "store/marks.h"
#include "store/status.h"

#define LIFE_EXIT_MS 2000
#define LIFE_NAP_MS  100 /* between looks, where poll can't wait */

typedef void life_action(struct keeper *k, enum life_event event);

static life_action life_go_on, life_ask_guest, life_end_now, life_give_up, life_note_death,
	life_upgrade, life_hurry;

static life_action *const life_table[LIFE_STATES][LIFE_EVENTS] = {
	[LIFE_LAUNCHING] = {
		[LIFE_MONITOR_READY] = life_go_on,
		[LIFE_GUEST_READY] = NULL, /* not before its monitor */
		[LIFE_ASK_STOP] = life_end_now,
		[LIFE_STOP] = life_end_now,
		[LIFE_STOP_NOW] = life_end_now,
		[LIFE_DESTROY] = life_end_now,
		[LIFE_DESTROY_NOW] = life_end_now,
		[LIFE_DATE] = life_end_now,
		[LIFE_PATIENCE] = life_give_up,
		[LIFE_MONITOR_GONE] = life_note_death,
	},
	[LIFE_STARTING] = {
		[LIFE_MONITOR_READY] = NULL,
		[LIFE_GUEST_READY] = life_go_on,
		[LIFE_ASK_STOP] = life_end_now,
		[LIFE_STOP] = life_end_now,
		[LIFE_STOP_NOW] = life_end_now,
		[LIFE_DESTROY] = life_end_now,
		[LIFE_DESTROY_NOW] = life_end_now,
		[LIFE_DATE] = life_end_now,
		[LIFE_PATIENCE] = life_give_up,
		[LIFE_MONITOR_GONE] = life_note_death,
	},
	[LIFE_RUNNING] = {
		[LIFE_MONITOR_READY] = NULL,
		[LIFE_GUEST_READY] = NULL,
		[LIFE_ASK_STOP] = life_ask_guest,
		[LIFE_STOP] = life_ask_guest,
		[LIFE_STOP_NOW] = life_end_now,
		[LIFE_DESTROY] = life_ask_guest,
		[LIFE_DESTROY_NOW] = life_end_now,
		[LIFE_DATE] = life_ask_guest,
		[LIFE_PATIENCE] = NULL, /* endless */
		[LIFE_MONITOR_GONE] = life_note_death,
	},
	[LIFE_STOPPING] = {
		[LIFE_MONITOR_READY] = NULL,
		[LIFE_GUEST_READY] = NULL,
		[LIFE_ASK_STOP] = NULL, /* it is */
		[LIFE_STOP] = NULL,
		[LIFE_STOP_NOW] = life_end_now,
		[LIFE_DESTROY] = life_upgrade,
		[LIFE_DESTROY_NOW] = life_end_now,
		[LIFE_DATE] = life_hurry,
		[LIFE_PATIENCE] = life_end_now,
		[LIFE_MONITOR_GONE] = life_end_now,
	},
	/* LIFE_OVER: nothing changes anything any more */
};

/* What an asked-for end is called; the others find out. */
static const uint32_t life_reasons[LIFE_EVENTS] = {
	[LIFE_ASK_STOP] = END_STOPPED, /* or END_HOST_STOPPED */
	[LIFE_STOP] = END_STOPPED,	[LIFE_STOP_NOW] = END_STOPPED,
	[LIFE_DESTROY] = END_DESTROYED, [LIFE_DESTROY_NOW] = END_DESTROYED,
	[LIFE_DATE] = END_EXPIRED,
};

/* A signal to one that runs by itself is the host's doing (it goes down, a unit is stopped), not a person's wish. */
static uint32_t life_asked(const struct keeper *k, enum life_event event)
{
	if (event == LIFE_ASK_STOP && !k->foreground && (k->spec.flags & SPEC_DURABLE))
		return END_HOST_STOPPED;
	return life_reasons[event];
}

void life_event(struct keeper *k, enum life_event event)
{
	life_action *action = life_table[k->life.state][event];

	if (action)
		action(k, event);
}

/* ---- actions ---- */

static void life_patience(struct keeper *k, uint64_t ms)
{
	struct itimerspec after = {
		.it_value = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 },
	};

	(void)timerfd_settime(k->patience_fd, 0, &after, NULL);
}

static void life_decide(struct keeper *k, uint32_t reason, const char *text)
{
	k->life.reason = reason;
	log_note("ending: %s%s%s", status_reason_word(reason), text && text[0] ? ": " : "",
		 text ? text : "");
	if (text)
		(void)str_copy(k->life.text, sizeof(k->life.text), text);
	if (reason == END_EXPIRED)
		k->life.due = date_is_due(k);
}

static void life_go_on(struct keeper *k, enum life_event event)
{
	k->life.state = event == LIFE_MONITOR_READY ? LIFE_STARTING : LIFE_RUNNING;
}

static void life_upgrade(struct keeper *k, enum life_event event)
{
	life_decide(k, life_asked(k, event), NULL);
}

static void life_end_now(struct keeper *k, enum life_event event)
{
	if (life_reasons[event] && (k->life.reason == 0 || life_reasons[event] == END_DESTROYED))
		life_decide(k, life_asked(k, event), NULL);
	k->life.state = LIFE_OVER;
}

/* Who stops it may have more patience than it has life: once its date has come the site's is all that is left. */
static void life_hurry(struct keeper *k, enum life_event event)
{
	struct itimerspec left;

	(void)event;
	if (k->spec.host.stop_timeout_s == 0)
		k->life.state = LIFE_OVER;
	else if (timerfd_gettime(k->patience_fd, &left) < 0 ||
		 left.it_value.tv_sec >= (time_t)k->spec.host.stop_timeout_s)
		life_patience(k, (uint64_t)k->spec.host.stop_timeout_s * 1000);
}

static void life_give_up(struct keeper *k, enum life_event event)
{
	(void)event;
	life_decide(k, END_CREATE_FAILED,
		    k->life.state == LIFE_LAUNCHING ? "the monitor does not answer"
						    : "the guest does not become ready; `mayfly "
						      "logs -f` while it starts tells why");
	k->life.state = LIFE_OVER;
}

static void life_ask_guest(struct keeper *k, enum life_event event)
{
	struct guest_shutdown ask = { .timeout_s = k->life.patience_s };
	struct err ignored;

	life_decide(k, life_asked(k, event), NULL);
	k->status.phase = STATUS_ENDING;
	(void)status_write(&k->spec.host, k->spec.id, &k->status, &ignored);
	progress_notify("STOPPING=1");
	if (ask.timeout_s == 0 || !control_send(&k->control, GUEST_SHUTDOWN, &ask, sizeof(ask))) {
		k->life.state = LIFE_OVER;
		return;
	}
	k->life.state = LIFE_STOPPING;
	life_patience(k, (uint64_t)ask.timeout_s * 1000);
}

/* ---- why a monitor is gone ---- */

static enum end_reason life_told_reason(const struct life_death *death, char *text, uint32_t size)
{
	switch (death->guest_end) {
	case GUEST_END_POWEROFF:
	case GUEST_END_SHUTDOWN:
		return END_GUEST_POWEROFF;
	case GUEST_END_REBOOT:
		return END_GUEST_REBOOT;
	case GUEST_END_HALT:
		return END_GUEST_HALT;
	case GUEST_END_DEADLINE:
		/* the guest's clock is the guest's: its word doesn't delete a disk */
		if (death->left_s <= 60)
			return END_EXPIRED;
		(void)snprintf(text, size, "the guest's clock is ahead of the host's");
		return END_GUEST_POWEROFF;
	default:
		return END_GUEST_PANIC;
	}
}

enum end_reason life_reason(const struct life_death *death, char *text, uint32_t size)
{
	if (death->trapped ||
	    (death->child_code == CLD_EXITED && death->child_status == JAIL_FILTER_EXIT_CODE) ||
	    (death->child_code != CLD_EXITED && death->child_status == SIGSYS))
		return END_SECCOMP;
	if (death->launch_end == LAUNCH_END_RESET)
		return life_told_reason(death, text, size);
	if (death->launch_end == LAUNCH_END_HALTED)
		return death->guest_end ? life_told_reason(death, text, size) : END_GUEST_HALT;
	if (death->oom)
		return END_OOM;
	if (death->launch_end)
		(void)snprintf(text, size, "KVM can't go on (%u)", death->detail);
	else if (death->child_code == CLD_EXITED)
		(void)snprintf(text, size, "the monitor exited with %d", death->child_status);
	else
		(void)snprintf(text, size, "the monitor was ended by signal %d",
			       death->child_status);
	return END_MONITOR_CRASH;
}

static bool life_oom(const struct keeper *k)
{
	uint64_t kills = 0;
	struct err ignored;

	return k->cgroup[0] && cgroup_oom_kills(k->cgroup, &kills, &ignored) == 0 &&
	       kills > k->oom_kills;
}

static void life_note_death(struct keeper *k, enum life_event event)
{
	char text[sizeof(k->life.text)] = "";
	siginfo_t info = { 0 };
	struct life_death death = {
		.launch_end = k->life.launch_end,
		.detail = k->life.launch_detail,
		.trapped = k->life.trapped,
		.guest_end = k->life.guest_end,
		.left_s = date_left(k),
		.oom = life_oom(k),
	};

	(void)event;
	if (waitid(P_PIDFD, (id_t)k->child.pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid > 0)
		k->child.pid = 0;
	death.child_code = info.si_code;
	death.child_status = info.si_status;
	life_decide(k, life_reason(&death, text, sizeof(text)), NULL);
	if (k->life.text[0] == '\0') /* its own last words are better */
		(void)str_copy(k->life.text, sizeof(k->life.text),
			       text[0] ? text : k->life.guest_text);
	k->life.state = LIFE_OVER;
}

/* ---- what arrives ---- */

/* Its last words were sent before it died: the channel is emptied first. */
static void life_monitor_gone(struct keeper *k)
{
	for (int i = 0; i < 64 && hear_monitor(k); i++)
		;
	if (k->control.fd >= 0)
		control_read(&k->control, hear_guest, k);
	life_event(k, LIFE_MONITOR_GONE);
}

/* A monitor that exits closes its channel an instant before it is gone; one that closes it and lives on is no monitor. */
static void life_channel_over(struct keeper *k)
{
	struct pollfd dead = { .fd = k->child.pidfd, .events = POLLIN };

	if (poll(&dead, 1, LIFE_EXIT_MS) <= 0 && !k->life.text[0])
		(void)str_copy(k->life.text, sizeof(k->life.text),
			       "the monitor closed its channel");
	life_monitor_gone(k);
}

static void life_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	if (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		life_event(k, LIFE_ASK_STOP);
}

static void life_patience_over(struct keeper *k)
{
	uint64_t expirations;

	if (read(k->patience_fd, &expirations, sizeof(expirations)) > 0)
		life_event(k, LIFE_PATIENCE);
}

/* ---- the loop ---- */

enum life_poll {
	LIFE_POLL_SIGNAL,
	LIFE_POLL_CHANNEL,
	LIFE_POLL_CONTROL,
	LIFE_POLL_MONITOR,
	LIFE_POLL_DATE,
	LIFE_POLL_ELAPSED,
	LIFE_POLL_PATIENCE,
	LIFE_POLL_PORTS,
	LIFE_POLL_SERVE,
	LIFE_POLL_HOOKS = LIFE_POLL_SERVE + SERVE_POLL_FDS,
	LIFE_POLL_FDS = LIFE_POLL_HOOKS + HOOK_POLL_FDS,
};

static void life_minute(struct keeper *k)
{
	watch_gate(k);
	marks_note(&k->spec.host, k->spec.id, time(NULL));
}

/*
 * poll fails where its list is longer than RLIMIT_NOFILE is now, or for want of memory: it is asked for one after the other then.
 * Where even that fails date and signals are looked at all the same: they are read without waiting.
 */
static void life_look(struct pollfd fds[LIFE_POLL_FDS])
{
	(void)poll(NULL, 0, LIFE_NAP_MS);
	for (size_t i = 0; i < LIFE_POLL_FDS; i++)
		if (poll(&fds[i], 1, 0) < 0)
			fds[i].revents = 0;
	fds[LIFE_POLL_SIGNAL].revents |= POLLIN;
	fds[LIFE_POLL_DATE].revents |= POLLIN;
	fds[LIFE_POLL_PATIENCE].revents |= POLLIN;
}

static void life_turn(struct keeper *k)
{
	struct pollfd fds[LIFE_POLL_FDS] = {
		[LIFE_POLL_SIGNAL] = { .fd = k->signal_fd, .events = POLLIN },
		[LIFE_POLL_CHANNEL] = { .fd = k->channel_fd, .events = POLLIN },
		[LIFE_POLL_CONTROL] = { .fd = k->control.fd, .events = POLLIN },
		[LIFE_POLL_MONITOR] = { .fd = k->child.pidfd, .events = POLLIN },
		[LIFE_POLL_DATE] = { .fd = k->date_fd, .events = POLLIN },
		[LIFE_POLL_ELAPSED] = { .fd = k->elapsed_fd, .events = POLLIN },
		[LIFE_POLL_PATIENCE] = { .fd = k->patience_fd, .events = POLLIN },
	};

	/* until the guest is ready they wait where they have come in */
	fds[LIFE_POLL_PORTS] = (struct pollfd){
		.fd = k->life.state >= LIFE_RUNNING ? ports_fd(k->ports) : -1,
		.events = POLLIN,
	};
	serve_poll(&k->serve, &fds[LIFE_POLL_SERVE]);
	hook_poll(&k->hooks, &fds[LIFE_POLL_HOOKS]);
	if (poll(fds, LIFE_POLL_FDS, -1) < 0) {
		if (errno == EINTR)
			return;
		life_look(fds);
	}
	if (fds[LIFE_POLL_CHANNEL].revents && !hear_monitor(k) && k->channel_fd < 0)
		life_channel_over(k);
	if (fds[LIFE_POLL_CONTROL].revents)
		control_read(&k->control, hear_guest, k);
	if (fds[LIFE_POLL_MONITOR].revents)
		life_monitor_gone(k);
	if (fds[LIFE_POLL_SIGNAL].revents)
		life_signals(k);
	if ((fds[LIFE_POLL_DATE].revents || fds[LIFE_POLL_ELAPSED].revents) && date_tick(k))
		life_event(k, LIFE_DATE);
	if (fds[LIFE_POLL_ELAPSED].revents) /* each minute */
		life_minute(k);
	if (fds[LIFE_POLL_PATIENCE].revents)
		life_patience_over(k);
	serve_handle(k, &fds[LIFE_POLL_SERVE]);
	hook_handle(k, &fds[LIFE_POLL_HOOKS]);
	if (k->life.state >= LIFE_STOPPING) /* access goes first */
		ports_hush(k->ports);
	if (fds[LIFE_POLL_PORTS].revents)
		ports_turn(k->ports);
}

void life_stay(struct keeper *k, enum life_state state, uint32_t patience_ms)
{
	if (k->life.state != state)
		return;
	life_patience(k, patience_ms);
	while (k->life.state == state)
		life_turn(k);
}

int life_open(struct keeper *k, struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, "can't block signals");
	(void)sigdelset(&set, SIGHUP); /* a terminal that goes away is no request */
	(void)sigdelset(&set, SIGPIPE);
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	k->patience_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (k->signal_fd < 0 || k->patience_fd < 0)
		return err_sys(err, "can't make signal and timer descriptors");
	return 0;
}
