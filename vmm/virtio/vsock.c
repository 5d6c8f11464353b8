/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * vsock streams between guest and backend: the device, the machine's calls, and what goes from
 * stream to guest. Data stays in the backend's stream until the guest has both a buffer and credit.
 *
 *	state		stream	guest knows	left by
 *	OFFERED		yes	no		REQUEST: OPEN
 *	CONNECTING	yes	once paid	RESPONSE: OPEN; RST: FREE
 *	OPEN		yes	yes		RST: FREE or DRAINING; both shut, cheating: CLOSING
 *	DRAINING	yes	gone		ring empty: FREE
 *	CLOSING		no	until paid	RST paid, or RST received: FREE
 */
#include "vmm/virtio/vsock.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "base/bug.h"
#include "base/num.h"
#include "vmm/virtio/vsock_conn.h"
#include "vmm/virtio/vsock_guest.h"

#define MAX_PAYLOAD    65536u
#define READS_PER_CALL 16

static_assert(offsetof(struct vsock, dev) == 0, "the device is its first member");

static uint32_t peer_credit(const struct vsock_conn *conn)
{
	uint32_t in_flight = conn->tx_cnt - conn->peer_fwd_cnt;

	return in_flight < conn->peer_buf_alloc ? conn->peer_buf_alloc - in_flight : 0;
}

/* Nothing overtakes what is owed. */
static bool can_read(const struct vsock *v, const struct vsock_conn *conn)
{
	return virtio_dev_active(&v->dev) && !v->rx_starved && conn->state == VSOCK_OPEN &&
	       conn->owed == 0 && !conn->host_eof && !conn->guest_takes_no_more &&
	       peer_credit(conn) > 0;
}

/* What to do with a read that brought no data. */
static void no_data(struct vsock *v, struct vsock_conn *conn, ssize_t result)
{
	if (result == -EAGAIN)
		return;
	if (result < 0) {
		vsock_conn_end(v, conn);
		return;
	}
	conn->host_eof = true;
	conn->owed |= VSOCK_OWED_SHUTDOWN;
	if (conn->buf_len == 0)
		vsock_guest_drained(v, conn);
}

/* One packet of data; false: no more now. */
static bool read_stream(struct vsock *v, struct vsock_conn *conn)
{
	struct virtq *q = &v->dev.queues[VSOCK_QUEUE_RX];
	struct virtio_vsock_hdr hdr;
	struct iovec iov[VIRTQ_MAX_SEGS];
	struct virtq_chain chain;
	uint32_t len, n;
	ssize_t got;

	if (!virtio_dev_pop(&v->dev, VSOCK_QUEUE_RX, &chain)) {
		v->rx_starved = true;
		return false;
	}
	if (chain.writable_len <= VSOCK_HDR_LEN) {
		virtio_dev_fail(&v->dev);
		return false;
	}
	len = num_min_u32(num_min_u32(chain.writable_len - VSOCK_HDR_LEN, MAX_PAYLOAD),
			  peer_credit(conn));
	n = virtq_slice(virtq_writable(&chain), chain.n_writable, VSOCK_HDR_LEN, len, iov);
	got = v->backend->read(v->ctx, vsock_conn_slot(v, conn), iov, (int)n);
	BUG_ON(got > len);
	if (got <= 0) {
		virtq_unpop(q, 1);
		no_data(v, conn, got);
		return false;
	}
	hdr = vsock_conn_header(v, conn, VIRTIO_VSOCK_OP_RW, (uint32_t)got);
	virtq_copy_in(virtq_writable(&chain), chain.n_writable, 0, &hdr, VSOCK_HDR_LEN);
	virtq_push(q, v->dev.mem, chain.head, VSOCK_HDR_LEN + (uint32_t)got);
	v->rx_pushed = true;
	conn->tx_cnt += (uint32_t)got;
	vsock_conn_told(conn);
	return true;
}

static struct vsock_conn *slot_conn(struct vsock *v, uint32_t slot)
{
	BUG_ON(slot >= VSOCK_MAX_CONNS);
	return &v->conns[slot];
}

int vsock_free_slot(const struct vsock *v)
{
	for (int i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (v->conns[i].state == VSOCK_FREE)
			return i;
	}
	return -1;
}

/* Everything but the ring's bytes, which would be touched for nothing. */
static struct vsock_conn *begin(struct vsock *v, uint32_t slot, enum vsock_state state)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	BUG_ON(conn->state != VSOCK_FREE);
	memset(conn, 0, offsetof(struct vsock_conn, buf));
	conn->state = state;
	return conn;
}

static bool port_in_use(const struct vsock *v, uint32_t host_port)
{
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (v->conns[i].state != VSOCK_FREE && v->conns[i].host_port == host_port)
			return true;
	}
	return false;
}

static uint32_t new_host_port(struct vsock *v)
{
	do {
		v->next_host_port = VSOCK_FIRST_HOST_PORT | (v->next_host_port + 1);
	} while (port_in_use(v, v->next_host_port));
	return v->next_host_port;
}

void vsock_connect(struct vsock *v, uint32_t slot, uint32_t guest_port)
{
	struct vsock_conn *conn = begin(v, slot, VSOCK_CONNECTING);

	conn->host_port = new_host_port(v);
	conn->guest_port = guest_port;
	conn->owed = VSOCK_OWED_REQUEST;
	vsock_conn_settle(v);
}

void vsock_offer(struct vsock *v, uint32_t slot, uint32_t host_port)
{
	struct vsock_conn *conn = begin(v, slot, VSOCK_OFFERED);

	conn->host_port = host_port;
}

void vsock_close(struct vsock *v, uint32_t slot)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	if (vsock_conn_known(conn))
		vsock_conn_end(v, conn);
	else if (conn->state != VSOCK_FREE && conn->state != VSOCK_CLOSING)
		vsock_conn_release(v, conn);
	vsock_conn_settle(v);
}

void vsock_readable(struct vsock *v, uint32_t slot)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	for (uint32_t i = 0; i < READS_PER_CALL && can_read(v, conn) && read_stream(v, conn); i++)
		;
	vsock_conn_settle(v);
}

void vsock_writable(struct vsock *v, uint32_t slot)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	if ((vsock_wants(v, slot) & VSOCK_WANT_WRITE) != 0)
		vsock_guest_write(v, conn);
	vsock_conn_settle(v);
}

uint32_t vsock_wants(const struct vsock *v, uint32_t slot)
{
	const struct vsock_conn *conn = &v->conns[slot];
	bool writing = conn->state == VSOCK_OPEN || conn->state == VSOCK_DRAINING;

	return (can_read(v, conn) ? VSOCK_WANT_READ : 0u) |
	       (writing && conn->buf_len > 0 ? VSOCK_WANT_WRITE : 0u);
}

static void config_read(struct virtio_dev *dev, uint32_t offset, void *out, uint32_t len)
{
	const struct vsock *v = (const struct vsock *)dev;
	const struct virtio_vsock_config config = { .guest_cid = v->guest_cid };

	memcpy(out, (const uint8_t *)&config + offset, len);
}

/* New receive buffers can also let a halted transmit queue go on. */
static bool kick(struct virtio_dev *dev, uint32_t q)
{
	struct vsock *v = (struct vsock *)dev;

	if (q == VSOCK_QUEUE_EVENT)
		return false; /* its buffers wait for events that never come: we don't migrate */
	if (q == VSOCK_QUEUE_RX) {
		v->rx_starved = false;
		vsock_conn_settle(v);
	}
	return vsock_guest_serve(v);
}

static void reset(struct virtio_dev *dev)
{
	vsock_conn_forget((struct vsock *)dev);
}

static const struct virtio_model model = {
	.device_id = VIRTIO_ID_VSOCK,
	.n_queues = 3,
	.queue_max = { [VSOCK_QUEUE_RX] = VSOCK_QUEUE_SIZE,
		       [VSOCK_QUEUE_TX] = VSOCK_QUEUE_SIZE,
		       [VSOCK_QUEUE_EVENT] = VSOCK_QUEUE_SIZE },
	.config_len = sizeof(struct virtio_vsock_config),
	.config_read = config_read,
	.kick = kick,
	.reset = reset,
};

void vsock_init(struct vsock *v, const struct mem *mem, struct virtio_irq irq,
		const struct vsock_backend *backend, void *ctx, uint32_t guest_cid)
{
	memset(v, 0, offsetof(struct vsock, conns));
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++)
		memset(&v->conns[i], 0, offsetof(struct vsock_conn, buf));
	v->backend = backend;
	v->ctx = ctx;
	v->guest_cid = guest_cid;
	virtio_dev_init(&v->dev, &model, mem, irq, 0);
}
