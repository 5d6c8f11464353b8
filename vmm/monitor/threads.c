/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/threads.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "jail/filter.h"
#include "vmm/monitor/vcpu_thread.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc before 2.38 */
#endif

#define THREADS_LOOK_SIGNAL SIGUSR1
#define THREADS_LOOK_S	    1

struct thread {
	struct machine *machine;
	struct vcpu *vcpu;
	bool failed;
	struct err err;
};

static struct thread threads[LAUNCH_MAX_VCPUS];
static struct gate
	threads_ready; /* counts the threads that are behind their filter, or have failed */
static struct gate threads_release_gate;

static void threads_on_look(int sig)
{
	(void)sig; /* its only use is that KVM_RUN returns EINTR */
}

/* A signal to this thread, and no other, once a second. */
static int threads_arm_timer(struct err *err)
{
	const struct itimerspec period = { { THREADS_LOOK_S, 0 }, { THREADS_LOOK_S, 0 } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = THREADS_LOOK_SIGNAL };
	int timer;

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) < 0 ||
	    syscall(SYS_timer_settime, timer, 0, &period, NULL) < 0)
		return err_sys(err, "timer of a vCPU thread");
	return 0;
}

static void *threads_main(void *arg)
{
	struct thread *thread = arg;

	thread->failed = threads_arm_timer(&thread->err) < 0 ||
			 jail_filter_install(JAIL_THREAD_VCPU, &thread->err) < 0;
	gate_step(&threads_ready);
	gate_wait(&threads_release_gate, 1);
	vcpu_thread_run(thread->machine, thread->vcpu);
}

int threads_start(struct machine *machine, struct err *err)
{
	const struct sigaction look = { .sa_handler = threads_on_look };
	pthread_t id;

	if (sigaction(THREADS_LOOK_SIGNAL, &look, NULL) < 0)
		return err_sys(err, "signal handler");
	for (uint32_t i = 0; i < machine->n_vcpus; i++) {
		threads[i].machine = machine;
		threads[i].vcpu = &machine->vcpus[i];
		if (pthread_create(&id, NULL, threads_main, &threads[i]) != 0)
			return err_set(err, ERR_FAILED, "a vCPU thread can't be started");
	}
	gate_wait(&threads_ready, machine->n_vcpus);
	for (uint32_t i = 0; i < machine->n_vcpus; i++) {
		if (threads[i].failed) {
			*err = threads[i].err;
			return -1;
		}
	}
	return 0;
}

void threads_release(void)
{
	gate_step(&threads_release_gate);
}
