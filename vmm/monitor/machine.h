/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_MACHINE_H
#define VMM_MONITOR_MACHINE_H

#include <pthread.h>
#include <stdnoreturn.h>

#include "vmm/kvm/vcpu.h"
#include "vmm/kvm/vm.h"
#include "vmm/monitor/backends.h"
#include "vmm/monitor/gate.h"
#include "vmm/virtio/mmio.h"

/*
 * The machine: guest memory, VM, vCPUs and devices. Only here is known which device sits in which window, on which line,
 * and what stands behind it. Nothing is allocated, and no descriptor made, after machine_open.
 *
 * One lock covers the devices. A vCPU thread holds it for a register access, the I/O thread while it serves queues.
 */
enum machine_slot {
	MACHINE_DISK0 = 0,
	MACHINE_NET = LAUNCH_MAX_DISKS,
	MACHINE_VSOCK,
	MACHINE_CONSOLE,
	MACHINE_RNG,
	MACHINE_BALLOON,
	MACHINE_SLOTS,
};

#define MACHINE_MAX_FDS 128 /* no descriptor of the monitor reaches this number */

/* A device of the table, wired up. */
struct machine_device {
	struct virtio_dev *dev; /* NULL: this machine hasn't got it */
	struct mmio_dev mmio;
	int line_fd;			    /* irqfd: a write pulses the interrupt line */
	int doorbell_fd[VIRTIO_MAX_QUEUES]; /* ioeventfd, one a queue; vCPU threads write it too */
};

struct machine_end {
	bool is_set;
	enum launch_end_reason reason;
	uint32_t detail;
};

struct machine {
	struct launch_record record;
	struct mem mem;
	struct vm vm;
	uint32_t n_vcpus;
	struct vcpu vcpus[LAUNCH_MAX_VCPUS];
	uint32_t halted_looks
		[LAUNCH_MAX_VCPUS]; /* how often in a row a vCPU was seen halted for good; under lock */

	pthread_mutex_t lock;
	int wake_fd; /* the I/O thread has something to look at: an end, a stream that is over */
	struct machine_end end; /* under lock */
	uint64_t n_absent;	/* accesses to ports and windows that nothing answers; under lock */

	int clock_fd; /* ticks for the buckets; -1: none of them has a limit */
	struct bucket buckets[LAUNCH_BUCKETS]; /* I/O thread */

	struct machine_device devices[MACHINE_SLOTS];
	struct blk blk[LAUNCH_MAX_DISKS];
	struct net net;
	struct vsock vsock;
	struct console console;
	struct rng rng;
	struct balloon balloon;

	struct backend_disk disk[LAUNCH_MAX_DISKS];
	struct backend_ring ring;
	struct backend_streams streams;
};

/* Build all of it for machine->record; the guest's first instruction is then only a KVM_RUN away. 0, or -1 with err. */
int machine_open(struct machine *machine, struct err *err);

/* A bucket that limits something, or NULL. */
struct bucket *machine_limit(struct machine *machine, enum launch_bucket bucket);

/* Fill the buckets for the time that has gone by. I/O thread. */
void machine_refill(struct machine *machine);

/* Close what is needed no more: /dev/kvm, kernel, initrd, and the console's ring, which stays mapped
 * and can't grow any more. */
void machine_drop_sources(void);

void machine_lock(struct machine *machine);
void machine_unlock(struct machine *machine);

/* On a vCPU thread: the guest has ended; the first reason counts. Never returns. */
noreturn void machine_finish(struct machine *machine, enum launch_end_reason reason,
			     uint32_t detail);

#endif
