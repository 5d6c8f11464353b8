/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/console.h"
#include "keeper/date.h"
#include "keeper/doctor.h"
#include "keeper/files.h"
#include "keeper/initrd.h"
#include "keeper/life.h"
#include "keeper/notice.h"
#include "keeper/pass.h"
#include "keeper/privileges.h"
#include "keeper/progress.h"
#include "keeper/steps.h"
#include "store/journal.h"
#include "store/marks.h"
#include "store/status.h"

#define STEPS_LAUNCH_MS 20000
#define STEPS_GUEST_MS	60000
#define STEPS_GUEST_CID 3u
#define STEPS_LAST_LINE 128
/*
 * reboot=t panic=-1: every end is a triple fault; the keeper knows the reason from the agent. f: at once, without masking the
 * interrupt controller of a machine that goes pin by pin, an exit each (Linux's native_machine_restart).
 */
#define STEPS_CMDLINE "console=hvc0 quiet reboot=t,f panic=-1"

static int steps_open_file(const char *path, int flags, int *fd, struct err *err)
{
	*fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return *fd < 0 ? err_sys(err, "can't open %s", path) : 0;
}

int steps_open(struct keeper *k, struct err *err)
{
	if (steps_open_file("/dev/kvm", O_RDWR, &k->kvm_fd, err) < 0) {
		doctor_explain(&k->spec.host, "virtualisation", NULL, err);
		return -1;
	}
	if (files_open_plain(k->spec.host.monitor, &k->monitor_fd, err) < 0 ||
	    files_open_plain(k->spec.initrd, &k->initrd_fd, err) < 0 || files_open(k, err) < 0)
		return -1;
	return steps_open_file("/dev/urandom", O_RDONLY, &k->urandom_fd, err);
}

int steps_initrd(struct keeper *k, struct err *err)
{
	struct guest_config config;
	struct timespec now;
	int fd;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return err_sys(err, "can't read the clock");
	initrd_config(&k->spec, &k->plan, k->deadline.deadline_s,
		      (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, &config);
	fd = initrd_make(k->initrd_fd, &config, &k->spec, err);
	if (fd < 0)
		return -1;
	fd_close(&k->initrd_fd);
	k->initrd_fd = fd;
	return 0;
}

/* ---- the monitor ---- */

/* Ascending numbers; those the sandbox doesn't have are left out. */
static size_t steps_fds(const struct keeper *k, int channel, struct jail_fd *out)
{
	const struct jail_fd all[] = {
		{ LAUNCH_FD_CHANNEL, channel },	      { LAUNCH_FD_KVM, k->kvm_fd },
		{ LAUNCH_FD_KERNEL, k->kernel_fd },   { LAUNCH_FD_INITRD, k->initrd_fd },
		{ LAUNCH_FD_CONSOLE, k->console_fd }, { LAUNCH_FD_URANDOM, k->urandom_fd },
		{ LAUNCH_FD_TAP, k->tap_fd },	      { LAUNCH_FD_DISK0, k->image_fd },
		{ LAUNCH_FD_DISK0 + 1, k->disk_fd },
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].fd >= 0)
			out[n++] = all[i];
	return n;
}

/* The monitor has its own copies now: when it dies the tap goes, when we die the channel ends. */
static void steps_let_go(struct keeper *k)
{
	fd_close(&k->kvm_fd);
	fd_close(&k->kernel_fd);
	fd_close(&k->initrd_fd);
	fd_close(&k->console_fd);
	fd_close(&k->urandom_fd);
	fd_close(&k->tap_fd);
	fd_close(&k->image_fd);
	fd_close(&k->disk_fd);
	fd_close(&k->monitor_fd);
}

static struct launch_rate steps_rate(const struct spec_rate *rate)
{
	return (struct launch_rate){ rate->bytes_per_s, rate->burst_bytes, rate->ops_per_s,
				     rate->burst_ops };
}

static void steps_record(const struct keeper *k, struct launch_record *record)
{
	const struct spec *spec = &k->spec;

	*record = (struct launch_record){
		.magic = LAUNCH_MAGIC,
		.version = LAUNCH_VERSION,
		.size = sizeof(*record),
		.flags = LAUNCH_VSOCK | LAUNCH_BALLOON | (spec->flags & SPEC_NET ? LAUNCH_NET : 0),
		.memory_bytes = spec->memory_bytes,
		.n_vcpus = spec->vcpus,
		.n_disks = spec->disk_bytes ? 2 : 1,
		.console_ring_bytes = STEPS_CONSOLE_BYTES,
		.guest_cid = STEPS_GUEST_CID,
		.disks[0] = { .flags = LAUNCH_DISK_READ_ONLY, .id = "image" },
	};
	record->rates[LAUNCH_BUCKET_NET_RX] = steps_rate(&spec->net_rx_rate);
	record->rates[LAUNCH_BUCKET_NET_TX] = steps_rate(&spec->net_tx_rate);
	record->rates[LAUNCH_BUCKET_DISK] = steps_rate(&spec->disk_rate);
	if (spec->disk_bytes)
		record->disks[1] = (struct launch_disk){ .id = "disk" };
	if (spec->flags & SPEC_NET)
		id_mac(spec->id, record->mac);
	(void)snprintf(record->cmdline, sizeof(record->cmdline), "%s%s%s", STEPS_CMDLINE,
		       spec->cmdline[0] ? " " : "", spec->cmdline);
}

/* Record and offer are queued together, so the offer is there before the guest's first instruction. */
static int steps_tell_monitor(struct keeper *k, struct err *err)
{
	struct {
		struct launch_msg msg;
		struct launch_record record;
	} packet = { .msg = { .type = LAUNCH_MSG_RECORD } };
	struct launch_msg offer = { .type = LAUNCH_MSG_OFFER, .arg = GUEST_PORT_CONTROL };
	auto_fd theirs = -1;

	steps_record(k, &packet.record);
	if (control_open(&k->control, &theirs, err) < 0)
		return -1;
	if (pass_send(k->channel_fd, &packet, sizeof(packet), -1) < 0 ||
	    pass_send(k->channel_fd, &offer, sizeof(offer), theirs) < 0)
		return err_sys(err, "can't tell the monitor what to run");
	return 0;
}

int steps_monitor(struct keeper *k, struct err *err)
{
	struct jail_fd fds[JAIL_SPAWN_MAX_FDS];
	struct jail_plan plan = {
		.uid = k->plan.uid,
		.monitor_fd = k->monitor_fd,
		.cgroup_fd = k->cgroup_fd,
		.name = k->spec.name,
		.fds = fds,
	};
	int pair[2];
	auto_fd theirs = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "can't make the monitor's channel");
	k->channel_fd = pair[0];
	theirs = pair[1];
	plan.n_fds = steps_fds(k, theirs, fds);
	/* before it runs, so that it doesn't wait for us; it can't have died yet either */
	if (steps_tell_monitor(k, err) < 0 || jail_spawn(&plan, &k->child, err) < 0)
		return -1;
	steps_identity(k, "pid=%d start=%llu uid=%u", (int)k->child.pid,
		       (unsigned long long)k->child.start_time, k->plan.uid);
	steps_identity_monitor(k);
	steps_let_go(k);
	k->status.monitor_pid = k->child.pid;
	k->status.monitor_start = k->child.start_time;
	return 0;
}

/* What the monitor or the guest said about it, else how it ended. */
static int steps_failed(const struct keeper *k, struct err *err)
{
	if (k->life.reason == END_EXPIRED)
		return err_set(err, ERR_FAILED, "its date came before it was ready");
	return err_set(err, ERR_FAILED, "%s",
		       k->life.text[0] ? k->life.text : status_reason_word(k->life.reason));
}

/* Did the guest fail by itself, and not say why? That is on its console, which goes with it. */
static bool steps_is_speechless(const struct keeper *k)
{
	if (k->life.reason == END_CREATE_FAILED)
		return true;
	return k->life.text[0] == '\0' &&
	       (k->life.reason == END_GUEST_POWEROFF || k->life.reason == END_GUEST_REBOOT ||
		k->life.reason == END_GUEST_HALT || k->life.reason == END_GUEST_PANIC);
}

static int steps_guest_failed(const struct keeper *k, struct err *err)
{
	char line[STEPS_LAST_LINE] = "";

	if (steps_is_speechless(k))
		console_last_line(&k->spec.host, k->spec.id, line, sizeof(line));
	(void)steps_failed(k, err);
	return line[0] ? err_wrap(err, "its console ends with \"%s\"", line) : -1;
}

int steps_launch(struct keeper *k, struct err *err)
{
	if (date_open(k, err) < 0)
		return -1;
	life_stay(k, LIFE_LAUNCHING, STEPS_LAUNCH_MS);
	return k->life.state == LIFE_OVER ? steps_failed(k, err) : 0;
}

int steps_serve(struct keeper *k, struct err *err)
{
	return serve_open(k, err);
}

int steps_guest(struct keeper *k, struct err *err)
{
	/* it was heard before its monitor, where a read of that one's channel failed: it won't say it again */
	if (k->life.guest_ready)
		life_event(k, LIFE_GUEST_READY);
	life_stay(k, LIFE_STARTING, STEPS_GUEST_MS);
	return k->life.state == LIFE_OVER ? steps_guest_failed(k, err) : 0;
}

int steps_privileges(struct keeper *k, struct err *err)
{
	(void)k;
	return privileges_drop(err);
}

/*
 * Until here its death left a stopped sandbox; from here on it is that of one that ran. Before anybody is told: who kills it
 * once it is ready must not find how its last run ended.
 */
static void steps_forget_end(struct keeper *k)
{
	struct err err;

	if (k->again && status_forget_end(&k->spec.host, k->spec.id, &err) < 0)
		log_warning("%s: %s", k->spec.name, err.text);
}

int steps_running(struct keeper *k, struct err *err)
{
	k->status.phase = STATUS_RUNNING;
	k->status.ready_at_s = time(NULL);
	if (status_write(&k->spec.host, k->spec.id, &k->status, err) < 0 ||
	    journal_event(k->journal_fd, err, "ready slot=%u monitor=%d", k->slot,
			  (int)k->child.pid) < 0)
		return -1;
	steps_forget_end(k);
	marks_note(&k->spec.host, k->spec.id, k->status.ready_at_s);
	notice_recall(k);
	k->live = true;
	date_soon(k); /* a notice may have come due while nobody could be told */
	log_note("running: monitor %d", (int)k->child.pid);
	progress_tell(k, CTL_READY, 0, "");
	fd_close(&k->progress_fd);
	progress_notify("READY=1");
	return 0;
}
