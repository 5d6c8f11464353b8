/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/virtio/device.h"

/*
 * The host's side of a vsock device (virtio 1.2 §5.10), streams only. A connection lives in a slot;
 * to each slot belongs a stream of the backend, given by the machine, which asks for a free slot
 * first:
 *
 *	slot = vsock_free_slot(v);	remember the descriptor as the slot's stream
 *	vsock_connect(v, slot, port);	the host connects to the guest's port, or
 *	vsock_offer(v, slot, port);	the guest's next connection to this host port gets it
 *
 * The stream's end always comes as backend->closed(slot): also when the guest refuses or is reset.
 * Offers, and connects that the guest has not been told of yet, survive a reset (each driver starts
 * with one).
 *
 * What the guest sends and the stream doesn't take at once waits in the slot's buffer, which is the
 * credit that the guest has: no guest makes us hold more. 32 slots of 16 KiB are half a MiB, only
 * those in use are ever touched.
 */
#define VSOCK_QUEUE_SIZE      128
#define VSOCK_QUEUE_RX	      0
#define VSOCK_QUEUE_TX	      1
#define VSOCK_QUEUE_EVENT     2
#define VSOCK_HOST_CID	      2u
#define VSOCK_MAX_CONNS	      32
#define VSOCK_BUF_LEN	      16384u
#define VSOCK_MAX_RSTS	      32
#define VSOCK_FIRST_HOST_PORT (1u << 30) /* of connections that the host begins */

/* read and write: I/O thread, never block; bytes, or -errno (-EAGAIN: later; any other
 * ends the connection). read 0: the host sends no more. */
struct vsock_backend {
	ssize_t (*read)(void *ctx, uint32_t slot, const struct iovec *iov, int n);
	ssize_t (*write)(void *ctx, uint32_t slot, const struct iovec *iov, int n);
	/* The guest sends no more, everything before was written: shut the stream's write side. I/O
	 * thread. */
	void (*shutdown)(void *ctx, uint32_t slot);
	/* The connection is over: drop the stream. On a vCPU thread too (reset), whose filter has
	 * no close: note the slot and close on the I/O thread. Calls nothing here. */
	void (*closed)(void *ctx, uint32_t slot);
};

enum vsock_want {
	VSOCK_WANT_READ = 1u << 0,  /* call vsock_readable when the stream is readable */
	VSOCK_WANT_WRITE = 1u << 1, /* call vsock_writable when the stream is writable */
};

enum vsock_state {
	VSOCK_FREE = 0,
	VSOCK_OFFERED,	  /* waits for the guest's REQUEST */
	VSOCK_CONNECTING, /* our REQUEST is owed or sent */
	VSOCK_OPEN,
	VSOCK_DRAINING, /* the guest is done with it, the stream has yet to take the rest */
	VSOCK_CLOSING,	/* stream gone, an RST is still owed to the guest */
};

struct vsock_conn {
	enum vsock_state state;
	uint32_t host_port;
	uint32_t guest_port;
	uint32_t owed; /* packets for the guest that wait for a receive buffer, one bit each */
	bool host_eof; /* the stream ended, the guest has been or will be told */
	bool guest_sends_no_more;
	bool guest_takes_no_more;
	bool stream_shut; /* backend->shutdown was called */
	/* credit towards the guest: sent bytes, and what it told of its buffer */
	uint32_t tx_cnt;
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;
	/* credit of the guest: bytes handed to the stream, and what we told last */
	uint32_t fwd_cnt;
	uint32_t told_fwd_cnt;
	uint32_t buf_start;
	uint32_t buf_len;
	uint8_t buf[VSOCK_BUF_LEN]; /* ring */
};

/* An RST for a connection that isn't in a slot. */
struct vsock_rst {
	uint64_t src_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint16_t type;
};

struct vsock {
	struct virtio_dev dev;
	const struct vsock_backend *backend;
	void *ctx;
	uint64_t guest_cid;
	uint32_t next_host_port;
	bool rx_starved; /* the receive queue was found empty, and no kick came since */
	bool rx_pushed;	 /* and the driver not notified yet */
	uint32_t n_rsts;
	struct vsock_rst rsts[VSOCK_MAX_RSTS];
	struct vsock_conn conns[VSOCK_MAX_CONNS];
};

void vsock_init(struct vsock *v, const struct mem *mem, struct virtio_irq irq,
		const struct vsock_backend *backend, void *ctx, uint32_t guest_cid);

/* A free slot, or -1 when all are in use. */
int vsock_free_slot(const struct vsock *v);

/* Both: slot is free, its stream is there. I/O thread, like all that follows. */
void vsock_connect(struct vsock *v, uint32_t slot, uint32_t guest_port);
void vsock_offer(struct vsock *v, uint32_t slot, uint32_t host_port);

/* The host gives the connection up. Ends with backend->closed. */
void vsock_close(struct vsock *v, uint32_t slot);

/* The slot's stream can be read or written. Bounded work; poll again. */
void vsock_readable(struct vsock *v, uint32_t slot);
void vsock_writable(struct vsock *v, uint32_t slot);

/* Which of enum vsock_want to poll the slot's stream for; ask before each poll. With 0 leave it out
 * of the poll set: a hang-up would be reported all the same, again and again. */
uint32_t vsock_wants(const struct vsock *v, uint32_t slot);

#endif
