/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* What the guest sends, and its way to the stream. */
#include "vmm/virtio/vsock_guest.h"

#include <errno.h>

#include "base/bug.h"
#include "base/num.h"
#include "vmm/virtio/vsock_conn.h"

#define MAX_PEER_CREDIT (1u << 30)	    /* so that counters that wrap can't be mistaken */
#define CREDIT_STEP	(VSOCK_BUF_LEN / 2) /* tell the guest of room in steps of this */

/* Ends the connection; others and the device live on. */
static void punish(struct vsock *v, struct vsock_conn *conn)
{
	v->dev.n_guest_errors++;
	vsock_conn_end(v, conn);
}

void vsock_guest_drained(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->state == VSOCK_DRAINING) {
		vsock_conn_release(v, conn);
	} else if (conn->guest_sends_no_more) {
		if (conn->guest_takes_no_more || conn->host_eof) {
			vsock_conn_end(v, conn);
		} else if (!conn->stream_shut) {
			conn->stream_shut = true;
			v->backend->shutdown(v->ctx, vsock_conn_slot(v, conn));
		}
	}
}

void vsock_guest_write(struct vsock *v, struct vsock_conn *conn)
{
	uint32_t first = num_min_u32(conn->buf_len, VSOCK_BUF_LEN - conn->buf_start);
	const struct iovec iov[2] = {
		{ .iov_base = conn->buf + conn->buf_start, .iov_len = first },
		{ .iov_base = conn->buf, .iov_len = conn->buf_len - first },
	};
	ssize_t n = v->backend->write(v->ctx, vsock_conn_slot(v, conn), iov,
				      first < conn->buf_len ? 2 : 1);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		if (conn->state == VSOCK_DRAINING)
			vsock_conn_release(v, conn);
		else
			vsock_conn_end(v, conn);
		return;
	}
	BUG_ON(n > conn->buf_len);
	conn->buf_start = (conn->buf_start + (uint32_t)n) % VSOCK_BUF_LEN;
	conn->buf_len -= (uint32_t)n;
	conn->fwd_cnt += (uint32_t)n;
	if (conn->state == VSOCK_OPEN && conn->fwd_cnt - conn->told_fwd_cnt >= CREDIT_STEP)
		conn->owed |= VSOCK_OWED_CREDIT;
	if (conn->buf_len == 0)
		vsock_guest_drained(v, conn);
}

static void receive_data(struct vsock *v, struct vsock_conn *conn,
			 const struct virtio_vsock_hdr *hdr, const struct virtq_chain *chain)
{
	uint32_t end_pos = (conn->buf_start + conn->buf_len) % VSOCK_BUF_LEN;
	uint32_t first = num_min_u32(hdr->len, VSOCK_BUF_LEN - end_pos);
	const struct iovec *in = virtq_readable(chain);

	if (conn->guest_sends_no_more || hdr->len > VSOCK_BUF_LEN - conn->buf_len ||
	    hdr->len > chain->readable_len - VSOCK_HDR_LEN) {
		punish(v, conn);
		return;
	}
	if (hdr->len == 0)
		return;
	virtq_copy_out(in, chain->n_readable, VSOCK_HDR_LEN, conn->buf + end_pos, first);
	virtq_copy_out(in, chain->n_readable, VSOCK_HDR_LEN + first, conn->buf, hdr->len - first);
	conn->buf_len += hdr->len;
	vsock_guest_write(v, conn);
}

static void receive_shutdown(struct vsock *v, struct vsock_conn *conn, uint32_t flags)
{
	conn->guest_sends_no_more |= (flags & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
	conn->guest_takes_no_more |= (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) != 0;
	if (conn->buf_len == 0)
		vsock_guest_drained(v, conn);
}

static void receive_rst(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->state == VSOCK_CLOSING) {
		vsock_conn_free(conn);
	} else if (conn->buf_len > 0) {
		conn->state = VSOCK_DRAINING;
		conn->owed = 0;
	} else {
		vsock_conn_release(v, conn);
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
		conn->owed |= VSOCK_OWED_CREDIT;
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

		if ((vsock_conn_known(conn) || conn->state == VSOCK_CLOSING) &&
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
	conn->owed = VSOCK_OWED_RESPONSE;
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

bool vsock_guest_serve(struct vsock *v)
{
	struct virtio_dev *dev = &v->dev;
	struct virtq_chain chain;
	uint32_t n = 0;
	bool more;

	while (n < VIRTIO_BATCH && v->n_rsts < VSOCK_MAX_RSTS &&
	       virtio_dev_pop(dev, VSOCK_QUEUE_TX, &chain)) {
		struct virtio_vsock_hdr hdr;

		if (virtq_copy_out(virtq_readable(&chain), chain.n_readable, 0, &hdr,
				   VSOCK_HDR_LEN) != VSOCK_HDR_LEN) {
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
	vsock_conn_settle(v);
	return more && v->n_rsts < VSOCK_MAX_RSTS;
}
