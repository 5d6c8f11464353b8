/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * vsock streams between guest and backend.
 *
 * To the guest: packets need a receive buffer of the guest's, which it may not give for a long
 * time. So nothing is ever sent at once: a connection *owes* packets (one bit each, they coalesce),
 * data stays in the backend's stream, and settle() pays as far as buffers go. RSTs for connections
 * that don't exist wait in a short list; while that is full, nothing more is taken from the guest.
 *
 * From the guest: data goes through the slot's ring to the stream; what the ring can't hold is more
 * than the credit that the guest was given.
 *
 *	state		stream	guest knows	leaves by
 *	OFFERED		yes	no		REQUEST: OPEN
 *	CONNECTING	yes	once paid	RESPONSE: OPEN; RST: FREE
 *	OPEN		yes	yes		RST: FREE or DRAINING; both ways shut, cheating: CLOSING
 *	DRAINING	yes	gone		ring empty: FREE
 *	CLOSING		no	until paid	RST paid, or RST received: FREE
 */
#include "vmm/virtio/vsock.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <string.h>

#include "base/bug.h"
#include "base/num.h"

#define HDR_LEN		((uint32_t)sizeof(struct virtio_vsock_hdr))
#define MAX_PAYLOAD	65536u
#define MAX_PEER_CREDIT (1u << 30)	    /* so that counters that wrap can't be mistaken */
#define CREDIT_STEP	(VSOCK_BUF_LEN / 2) /* tell the guest of room in steps of this */
#define READS_PER_CALL	16

/* In the order in which they are paid. */
enum owed {
	OWED_REQUEST = 1u << 0,
	OWED_RESPONSE = 1u << 1,
	OWED_CREDIT = 1u << 2,
	OWED_SHUTDOWN = 1u << 3,
	OWED_RST = 1u << 4,
};

static_assert(offsetof(struct vsock, dev) == 0, "the device is its first member");

/* ---- packets to the guest ---- */

static bool put_header(struct vsock *v, const struct virtio_vsock_hdr *hdr)
{
	struct virtq *q = &v->dev.queues[VSOCK_QUEUE_RX];
	struct virtq_chain chain;

	if (!virtio_dev_pop(&v->dev, VSOCK_QUEUE_RX, &chain)) {
		v->rx_starved = true;
		return false;
	}
	if (virtq_copy_in(virtq_writable(&chain), chain.n_writable, 0, hdr, HDR_LEN) != HDR_LEN) {
		virtio_dev_fail(&v->dev);
		return false;
	}
	virtq_push(q, v->dev.mem, chain.head, HDR_LEN);
	v->rx_pushed = true;
	return true;
}

static struct virtio_vsock_hdr make_header(const struct vsock *v, const struct vsock_conn *conn,
					   uint16_t op, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = v->guest_cid,
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0,
		.buf_alloc = VSOCK_BUF_LEN,
		.fwd_cnt = conn->fwd_cnt,
	};
}

/* A packet of this connection reached the guest. */
static void told(struct vsock_conn *conn)
{
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->owed &= ~(uint32_t)OWED_CREDIT; /* every packet carries it */
}

static uint16_t op_of(uint32_t owed)
{
	switch (owed) {
	case OWED_REQUEST:
		return VIRTIO_VSOCK_OP_REQUEST;
	case OWED_RESPONSE:
		return VIRTIO_VSOCK_OP_RESPONSE;
	case OWED_CREDIT:
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	case OWED_SHUTDOWN:
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	default:
		return VIRTIO_VSOCK_OP_RST;
	}
}

/* False: no receive buffer left. */
static bool pay_conn(struct vsock *v, struct vsock_conn *conn)
{
	while (conn->owed != 0) {
		uint32_t owed = conn->owed & -conn->owed;
		struct virtio_vsock_hdr hdr = make_header(v, conn, op_of(owed), 0);

		if (!put_header(v, &hdr))
			return false;
		conn->owed &= ~owed;
		told(conn);
		if (owed == OWED_RST)
			conn->state = VSOCK_FREE;
	}
	return true;
}

static bool pay_rsts(struct vsock *v)
{
	uint32_t n = 0;

	while (n < v->n_rsts) {
		const struct vsock_rst *rst = &v->rsts[n];
		struct virtio_vsock_hdr hdr = {
			.src_cid = rst->src_cid,
			.dst_cid = v->guest_cid,
			.src_port = rst->src_port,
			.dst_port = rst->dst_port,
			.type = rst->type,
			.op = VIRTIO_VSOCK_OP_RST,
		};

		if (!put_header(v, &hdr))
			break;
		n++;
	}
	v->n_rsts -= n;
	memmove(v->rsts, v->rsts + n, v->n_rsts * sizeof(v->rsts[0]));
	return v->n_rsts == 0;
}

/* ---- ends of connections ---- */

static uint32_t slot_of(const struct vsock *v, const struct vsock_conn *conn)
{
	return (uint32_t)(conn - v->conns);
}

/* The stream is given up, and the guest knows or needn't. */
static void release(struct vsock *v, struct vsock_conn *conn)
{
	conn->state = VSOCK_FREE;
	conn->owed = 0;
	v->backend->closed(v->ctx, slot_of(v, conn));
}

/* The stream is given up, and the guest has to be told. */
static void end(struct vsock *v, struct vsock_conn *conn)
{
	conn->state = VSOCK_CLOSING;
	conn->owed = OWED_RST;
	v->backend->closed(v->ctx, slot_of(v, conn));
}

static void punish(struct vsock *v, struct vsock_conn *conn)
{
	v->dev.n_guest_errors++;
	end(v, conn);
}

static bool guest_knows(const struct vsock_conn *conn)
{
	return conn->state == VSOCK_OPEN ||
	       (conn->state == VSOCK_CONNECTING && (conn->owed & OWED_REQUEST) == 0);
}

/* The guest's end of all connections is gone: reset, or the device failed. */
static void forget_guest(struct vsock *v)
{
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (guest_knows(&v->conns[i]))
			release(v, &v->conns[i]);
		else if (v->conns[i].state == VSOCK_CLOSING)
			v->conns[i].state = VSOCK_FREE;
	}
	v->n_rsts = 0;
	v->rx_pushed = false;
}

/* Ends every call from outside: pay what is owed, tell the driver once. */
static void settle(struct vsock *v)
{
	if (virtio_dev_active(&v->dev) && pay_rsts(v)) {
		for (uint32_t i = 0; i < VSOCK_MAX_CONNS && pay_conn(v, &v->conns[i]); i++)
			;
	}
	if (v->rx_pushed)
		virtio_dev_notify(&v->dev, VSOCK_QUEUE_RX);
	v->rx_pushed = false;
	if ((v->dev.status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
		forget_guest(v);
}

/* ---- guest to stream ---- */

/* The ring has been emptied: is there an end behind it? */
static void drained(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->state == VSOCK_DRAINING) {
		release(v, conn);
	} else if (conn->guest_sends_no_more) {
		if (conn->guest_takes_no_more || conn->host_eof) {
			end(v, conn);
		} else if (!conn->stream_shut) {
			conn->stream_shut = true;
			v->backend->shutdown(v->ctx, slot_of(v, conn));
		}
	}
}

static void write_stream(struct vsock *v, struct vsock_conn *conn)
{
	uint32_t first = num_min_u32(conn->buf_len, VSOCK_BUF_LEN - conn->buf_start);
	const struct iovec iov[2] = {
		{ .iov_base = conn->buf + conn->buf_start, .iov_len = first },
		{ .iov_base = conn->buf, .iov_len = conn->buf_len - first },
	};
	ssize_t n = v->backend->write(v->ctx, slot_of(v, conn), iov, first < conn->buf_len ? 2 : 1);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		if (conn->state == VSOCK_DRAINING)
			release(v, conn);
		else
			end(v, conn);
		return;
	}
	BUG_ON(n > conn->buf_len);
	conn->buf_start = (conn->buf_start + (uint32_t)n) % VSOCK_BUF_LEN;
	conn->buf_len -= (uint32_t)n;
	conn->fwd_cnt += (uint32_t)n;
	if (conn->state == VSOCK_OPEN && conn->fwd_cnt - conn->told_fwd_cnt >= CREDIT_STEP)
		conn->owed |= OWED_CREDIT;
	if (conn->buf_len == 0)
		drained(v, conn);
}

static void receive_data(struct vsock *v, struct vsock_conn *conn,
			 const struct virtio_vsock_hdr *hdr, const struct virtq_chain *chain)
{
	uint32_t end_pos = (conn->buf_start + conn->buf_len) % VSOCK_BUF_LEN;
	uint32_t first = num_min_u32(hdr->len, VSOCK_BUF_LEN - end_pos);
	const struct iovec *in = virtq_readable(chain);

	if (conn->guest_sends_no_more || hdr->len > VSOCK_BUF_LEN - conn->buf_len ||
	    hdr->len > chain->readable_len - HDR_LEN) {
		punish(v, conn);
		return;
	}
	if (hdr->len == 0)
		return;
	virtq_copy_out(in, chain->n_readable, HDR_LEN, conn->buf + end_pos, first);
	virtq_copy_out(in, chain->n_readable, HDR_LEN + first, conn->buf, hdr->len - first);
	conn->buf_len += hdr->len;
	write_stream(v, conn);
}

static void receive_shutdown(struct vsock *v, struct vsock_conn *conn, uint32_t flags)
{
	conn->guest_sends_no_more |= (flags & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
	conn->guest_takes_no_more |= (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0;
	if (conn->buf_len == 0)
		drained(v, conn);
}

static void receive_rst(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->state == VSOCK_CLOSING) {
		conn->state = VSOCK_FREE;
		conn->owed = 0;
	} else if (conn->buf_len > 0) {
		conn->state = VSOCK_DRAINING;
		conn->owed = 0;
	} else {
		release(v, conn);
	}
}

/* False: it claims to have got what was never sent. */
static bool take_credit(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr)
{
	conn->peer_buf_alloc = num_min_u32(hdr->buf_alloc, MAX_PEER_CREDIT);
	conn->peer_fwd_cnt = hdr->fwd_cnt;
	return conn->tx_cnt - conn->peer_fwd_cnt <= MAX_PEER_CREDIT;
}

static void receive_open(struct vsock *v, struct vsock_conn *conn,
			 const struct virtio_vsock_hdr *hdr, const struct virtq_chain *chain)
{
	switch (hdr->op) {
	case VIRTIO_VSOCK_OP_RW:
		receive_data(v, conn, hdr, chain);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		receive_shutdown(v, conn, hdr->flags);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		conn->owed |= OWED_CREDIT;
		break;
	default:
		punish(v, conn);
	}
}

/* An RST for what has no slot; the caller has seen that there is room for it. */
static void refuse(struct vsock *v, const struct virtio_vsock_hdr *hdr)
{
	if (hdr->op == VIRTIO_VSOCK_OP_RST)
		return;
	BUG_ON(v->n_rsts == VSOCK_MAX_RSTS);
	v->rsts[v->n_rsts++] = (struct vsock_rst){
		.src_cid = hdr->dst_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
	};
}

static struct vsock_conn *find_conn(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		struct vsock_conn *conn = &v->conns[i];

		if ((guest_knows(conn) || conn->state == VSOCK_CLOSING) &&
		    conn->host_port == host_port && conn->guest_port == guest_port)
			return conn;
	}
	return NULL;
}

static struct vsock_conn *find_offer(struct vsock *v, uint32_t host_port)
{
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (v->conns[i].state == VSOCK_OFFERED && v->conns[i].host_port == host_port)
			return &v->conns[i];
	}
	return NULL;
}

static void receive_stranger(struct vsock *v, const struct virtio_vsock_hdr *hdr)
{
	struct vsock_conn *conn = find_offer(v, hdr->dst_port);

	if (hdr->op != VIRTIO_VSOCK_OP_REQUEST || conn == NULL || !take_credit(conn, hdr)) {
		refuse(v, hdr);
		return;
	}
	conn->guest_port = hdr->src_port;
	conn->state = VSOCK_OPEN;
	conn->owed = OWED_RESPONSE;
}

static void receive(struct vsock *v, const struct virtio_vsock_hdr *hdr,
		    const struct virtq_chain *chain)
{
	struct vsock_conn *conn = find_conn(v, hdr->dst_port, hdr->src_port);

	if (hdr->src_cid != v->guest_cid || hdr->dst_cid != VSOCK_HOST_CID ||
	    hdr->type != VIRTIO_VSOCK_TYPE_STREAM) {
		v->dev.n_guest_errors++;
		refuse(v, hdr);
	} else if (conn == NULL) {
		receive_stranger(v, hdr);
	} else if (hdr->op == VIRTIO_VSOCK_OP_RST) {
		receive_rst(v, conn);
	} else if (conn->state == VSOCK_CLOSING) {
		return; /* crossed our RST */
	} else if (!take_credit(conn, hdr)) {
		punish(v, conn);
	} else if (conn->state == VSOCK_OPEN) {
		receive_open(v, conn, hdr, chain);
	} else if (hdr->op == VIRTIO_VSOCK_OP_RESPONSE) {
		conn->state = VSOCK_OPEN;
	} else {
		punish(v, conn);
	}
}

static bool serve_tx(struct vsock *v)
{
	struct virtio_dev *dev = &v->dev;
	struct virtq_chain chain;
	uint32_t n = 0;
	bool more;

	while (n < VIRTIO_BATCH && v->n_rsts < VSOCK_MAX_RSTS &&
	       virtio_dev_pop(dev, VSOCK_QUEUE_TX, &chain)) {
		struct virtio_vsock_hdr hdr;

		if (virtq_copy_out(virtq_readable(&chain), chain.n_readable, 0, &hdr, HDR_LEN) !=
		    HDR_LEN) {
			virtio_dev_fail(dev);
			break;
		}
		receive(v, &hdr, &chain);
		virtq_push(&dev->queues[VSOCK_QUEUE_TX], dev->mem, chain.head, 0);
		n++;
	}
	if (n > 0)
		virtio_dev_notify(dev, VSOCK_QUEUE_TX);
	more = n == VIRTIO_BATCH || v->n_rsts == VSOCK_MAX_RSTS;
	settle(v);
	return more && v->n_rsts < VSOCK_MAX_RSTS;
}

/* ---- stream to guest ---- */

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
		end(v, conn);
		return;
	}
	conn->host_eof = true;
	conn->owed |= OWED_SHUTDOWN;
	if (conn->buf_len == 0)
		drained(v, conn);
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
	if (chain.writable_len <= HDR_LEN) {
		virtio_dev_fail(&v->dev);
		return false;
	}
	len = num_min_u32(num_min_u32(chain.writable_len - HDR_LEN, MAX_PAYLOAD),
			  peer_credit(conn));
	n = virtq_slice(virtq_writable(&chain), chain.n_writable, HDR_LEN, len, iov);
	got = v->backend->read(v->ctx, slot_of(v, conn), iov, (int)n);
	BUG_ON(got > len);
	if (got <= 0) {
		virtq_unpop(q);
		no_data(v, conn, got);
		return false;
	}
	hdr = make_header(v, conn, VIRTIO_VSOCK_OP_RW, (uint32_t)got);
	virtq_copy_in(virtq_writable(&chain), chain.n_writable, 0, &hdr, HDR_LEN);
	virtq_push(q, v->dev.mem, chain.head, HDR_LEN + (uint32_t)got);
	v->rx_pushed = true;
	conn->tx_cnt += (uint32_t)got;
	told(conn);
	return true;
}

/* ---- calls of the machine ---- */

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
	conn->owed = OWED_REQUEST;
	settle(v);
}

void vsock_offer(struct vsock *v, uint32_t slot, uint32_t host_port)
{
	struct vsock_conn *conn = begin(v, slot, VSOCK_OFFERED);

	conn->host_port = host_port;
}

void vsock_close(struct vsock *v, uint32_t slot)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	if (guest_knows(conn))
		end(v, conn);
	else if (conn->state != VSOCK_FREE && conn->state != VSOCK_CLOSING)
		release(v, conn);
	settle(v);
}

void vsock_readable(struct vsock *v, uint32_t slot)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	for (uint32_t i = 0; i < READS_PER_CALL && can_read(v, conn) && read_stream(v, conn); i++)
		;
	settle(v);
}

void vsock_writable(struct vsock *v, uint32_t slot)
{
	struct vsock_conn *conn = slot_conn(v, slot);

	if ((vsock_wants(v, slot) & VSOCK_WANT_WRITE) != 0)
		write_stream(v, conn);
	settle(v);
}

uint32_t vsock_wants(const struct vsock *v, uint32_t slot)
{
	const struct vsock_conn *conn = &v->conns[slot];
	bool writing = conn->state == VSOCK_OPEN || conn->state == VSOCK_DRAINING;

	return (can_read(v, conn) ? VSOCK_WANT_READ : 0u) |
	       (writing && conn->buf_len > 0 ? VSOCK_WANT_WRITE : 0u);
}

/* ---- the device ---- */

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
		settle(v);
	}
	return serve_tx(v);
}

static void activate(struct virtio_dev *dev)
{
	((struct vsock *)dev)->rx_starved = false;
}

static void reset(struct virtio_dev *dev)
{
	forget_guest((struct vsock *)dev);
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
	.activate = activate,
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
