/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * One round: with the lock held, ask each device what it waits for and make the poll set; without it, wait; with it
 * again, serve what came. A vCPU thread may change what a device waits for between two rounds, but never without a
 * doorbell or the wake event, which end the wait.
 *
 * A queue whose rate limit lets nothing pass isn't waited for, nor is the tap; the clock is, until they may again.
 */
#include "vmm/monitor/loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "vmm/monitor/channel.h"
#include "vmm/monitor/event.h"

#define LOOP_MAX_FDS	      (5 + MACHINE_SLOTS * VIRTIO_MAX_QUEUES + VSOCK_MAX_CONNS)
#define LOOP_MESSAGES_A_ROUND 4

/* What a polled descriptor is: the function to call when it is ready, and what it is about. */
typedef void loop_serve(struct machine *machine, uint32_t slot, uint32_t queue, short events);

struct loop {
	nfds_t n;
	struct pollfd fds[LOOP_MAX_FDS];
	struct {
		loop_serve *serve;
		uint32_t slot;
		uint32_t queue;
	} what[LOOP_MAX_FDS];
};

static void loop_add(struct loop *loop, int fd, short events, loop_serve *serve, uint32_t slot,
		     uint32_t queue)
{
	BUG_ON(loop->n == LOOP_MAX_FDS);
	loop->fds[loop->n] = (struct pollfd){ .fd = fd, .events = events };
	loop->what[loop->n].serve = serve;
	loop->what[loop->n].slot = slot;
	loop->what[loop->n].queue = queue;
	loop->n++;
}

static void loop_serve_wake(struct machine *machine, uint32_t slot, uint32_t queue, short events)
{
	(void)slot;
	(void)queue;
	(void)events;
	event_clear(machine->wake_fd);
}

static void loop_serve_doorbell(struct machine *machine, uint32_t slot, uint32_t queue,
				short events)
{
	const struct machine_device *device = &machine->devices[slot];

	(void)events;
	event_clear(device->doorbell_fd[queue]);
	/* the rest after the others' turn, or when the limit lets it */
	if (device->dev->model->kick(device->dev, queue) || virtio_dev_is_held(device->dev, queue))
		event_raise(device->doorbell_fd[queue]);
}

static void loop_serve_tap(struct machine *machine, uint32_t slot, uint32_t queue, short events)
{
	(void)slot;
	(void)queue;
	(void)events;
	net_rx(&machine->net);
}

static void loop_serve_stream(struct machine *machine, uint32_t slot, uint32_t queue, short events)
{
	const short gone = POLLHUP | POLLERR;

	(void)queue;
	if ((events & (POLLIN | gone)) != 0 &&
	    (vsock_wants(&machine->vsock, slot) & VSOCK_WANT_READ) != 0)
		vsock_readable(&machine->vsock, slot);
	if ((events & (POLLOUT | gone)) != 0 &&
	    (vsock_wants(&machine->vsock, slot) & VSOCK_WANT_WRITE) != 0)
		vsock_writable(&machine->vsock, slot);
}

static void loop_serve_attached(struct machine *machine, uint32_t slot, uint32_t queue,
				short events)
{
	(void)slot;
	(void)queue;
	(void)events;
	attach_readable(&machine->ring.attach);
}

/* The keeper hands over a stream; without a device or a free slot it gets it back closed. */
static void loop_take_stream(struct machine *machine, const struct launch_msg *msg, int fd)
{
	int slot = -1;

	backend_streams_reap(&machine->streams);
	if (machine->devices[MACHINE_VSOCK].dev != NULL &&
	    (msg->type == LAUNCH_MSG_CONNECT || msg->type == LAUNCH_MSG_OFFER))
		slot = vsock_free_slot(&machine->vsock);
	if (slot < 0) {
		(void)close(fd);
		return;
	}
	machine->streams.slots[slot].fd = fd;
	if (msg->type == LAUNCH_MSG_CONNECT)
		vsock_connect(&machine->vsock, (uint32_t)slot, msg->arg);
	else
		vsock_offer(&machine->vsock, (uint32_t)slot, msg->arg);
}

static void loop_take_message(struct machine *machine, const struct launch_msg *msg, int fd)
{
	if (msg->type == LAUNCH_MSG_CONSOLE && fd >= 0)
		attach_take(&machine->ring.attach, fd);
	else if (fd >= 0)
		loop_take_stream(machine, msg, fd);
	else if (msg->type == LAUNCH_MSG_CONSOLE_SIZE)
		console_resize(&machine->console, (uint16_t)msg->arg, (uint16_t)(msg->arg >> 16));
	else if (msg->type == LAUNCH_MSG_BALLOON && machine->devices[MACHINE_BALLOON].dev != NULL)
		balloon_set_target(&machine->balloon, (uint64_t)msg->arg << 20);
}

static void loop_serve_channel(struct machine *machine, uint32_t slot, uint32_t queue, short events)
{
	struct launch_msg msg;
	char body[1];
	int fd;

	(void)slot;
	(void)queue;
	(void)events;
	for (uint32_t i = 0; i < LOOP_MESSAGES_A_ROUND; i++) {
		if (channel_receive(&msg, body, sizeof(body), &fd, MSG_DONTWAIT) < 0) {
			if (errno == EAGAIN)
				return;
			if (errno != EBADMSG) /* the keeper is gone: nobody reads an END */
				channel_end(LAUNCH_END_KEEPER_LOST, 0);
		} else {
			loop_take_message(machine, &msg, fd);
		}
	}
}

/* Every round reads the clock anyway. */
static void loop_serve_clock(struct machine *machine, uint32_t slot, uint32_t queue, short events)
{
	(void)machine;
	(void)slot;
	(void)queue;
	(void)events;
}

static void loop_add_devices(struct loop *loop, struct machine *machine)
{
	const struct bucket *rx = machine_limit(machine, LAUNCH_BUCKET_NET_RX);
	bool held = false;

	for (uint32_t slot = 0; slot < MACHINE_SLOTS; slot++) {
		const struct machine_device *device = &machine->devices[slot];

		for (uint32_t q = 0; device->dev != NULL && q < device->dev->model->n_queues; q++) {
			if (virtio_dev_is_held(device->dev, q))
				held = true;
			else
				loop_add(loop, device->doorbell_fd[q], POLLIN, loop_serve_doorbell,
					 slot, q);
		}
	}
	if (attach_wants_input(&machine->ring.attach))
		loop_add(loop, machine->ring.attach.fd, POLLIN, loop_serve_attached, 0, 0);
	if (machine->devices[MACHINE_NET].dev != NULL && net_wants_rx(&machine->net)) {
		if (rx != NULL && !bucket_is_open(rx))
			held = true;
		else
			loop_add(loop, LAUNCH_FD_TAP, POLLIN, loop_serve_tap, 0, 0);
	}
	if (held)
		loop_add(loop, machine->clock_fd, POLLIN, loop_serve_clock, 0, 0);
}

static void loop_add_streams(struct loop *loop, const struct machine *machine)
{
	uint32_t wants;
	short events;

	if (machine->devices[MACHINE_VSOCK].dev == NULL)
		return;
	for (uint32_t slot = 0; slot < VSOCK_MAX_CONNS; slot++) {
		wants = machine->streams.slots[slot].fd < 0 ? 0
							    : vsock_wants(&machine->vsock, slot);
		events = (short)((wants & VSOCK_WANT_READ ? POLLIN : 0) |
				 (wants & VSOCK_WANT_WRITE ? POLLOUT : 0));
		if (wants != 0)
			loop_add(loop, machine->streams.slots[slot].fd, events, loop_serve_stream,
				 slot, 0);
	}
}

/* The channel comes last: a slot that is given a new stream has no event of an old one behind it. */
static void loop_prepare(struct loop *loop, struct machine *machine)
{
	backend_streams_reap(&machine->streams);
	if (machine->end.is_set)
		channel_end(machine->end.reason, machine->end.detail);
	attach_deliver(&machine->ring.attach, &machine->console);
	loop->n = 0;
	loop_add(loop, machine->wake_fd, POLLIN, loop_serve_wake, 0, 0);
	loop_add_devices(loop, machine);
	loop_add_streams(loop, machine);
	loop_add(loop, LAUNCH_FD_CHANNEL, POLLIN, loop_serve_channel, 0, 0);
}

noreturn void loop_run(struct machine *machine)
{
	static struct loop loop;

	for (;;) {
		machine_lock(machine);
		loop_prepare(&loop, machine);
		machine_unlock(machine);
		if (ppoll(loop.fds, loop.n, NULL, NULL) < 0)
			continue; /* EINTR */
		machine_lock(machine);
		machine_refill(machine);
		for (nfds_t i = 0; i < loop.n; i++) {
			if (loop.fds[i].revents != 0)
				loop.what[i].serve(machine, loop.what[i].slot, loop.what[i].queue,
						   loop.fds[i].revents);
		}
		machine_unlock(machine);
	}
}
