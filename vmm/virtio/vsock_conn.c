/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What is owed to the guest, and ends of connections.
 *
 * Packets need a receive buffer of the guest's, which it may not give for a long time. So nothing
 * is sent at once: a connection owes packets, one bit each, so that they coalesce, and they are
 * paid as far as buffers go.
 */
#include "vmm/virtio/vsock_conn.h"

#include <linux/virtio_config.h>
#include <string.h>

/* One packet without data; false: no receive buffer left, or the device failed. */
static bool put_packet(struct vsock *v, const struct virtio_vsock_hdr *hdr)
{
	struct virtq *q = &v->dev.queues[VSOCK_QUEUE_RX];
	struct virtq_chain chain;

	if (!virtio_dev_pop(&v->dev, VSOCK_QUEUE_RX, &chain)) {
		v->rx_starved = true;
		return false;
	}
	if (virtq_copy_in(virtq_writable(&chain), chain.n_writable, 0, hdr, VSOCK_HDR_LEN) !=
	    VSOCK_HDR_LEN) {
		virtio_dev_fail(&v->dev);
		return false;
	}
	virtq_push(q, v->dev.mem, chain.head, VSOCK_HDR_LEN);
	v->rx_pushed = true;
	return true;
}

struct virtio_vsock_hdr vsock_conn_header(const struct vsock *v, const struct vsock_conn *conn,
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

void vsock_conn_told(struct vsock_conn *conn)
{
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->owed &= ~(uint32_t)VSOCK_OWED_CREDIT; /* every packet carries it */
}

static uint16_t op_of(uint32_t owed)
{
	switch (owed) {
	case VSOCK_OWED_REQUEST:
		return VIRTIO_VSOCK_OP_REQUEST;
	case VSOCK_OWED_RESPONSE:
		return VIRTIO_VSOCK_OP_RESPONSE;
	case VSOCK_OWED_CREDIT:
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	case VSOCK_OWED_SHUTDOWN:
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	default:
		return VIRTIO_VSOCK_OP_RST;
	}
}

static bool pay_conn(struct vsock *v, struct vsock_conn *conn)
{
	while (conn->owed != 0) {
		uint32_t owed = conn->owed & -conn->owed;
		struct virtio_vsock_hdr hdr = vsock_conn_header(v, conn, op_of(owed), 0);

		if (!put_packet(v, &hdr))
			return false;
		conn->owed &= ~owed;
		vsock_conn_told(conn);
		if (owed == VSOCK_OWED_RST)
			vsock_conn_free(conn);
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

		if (!put_packet(v, &hdr))
			break;
		n++;
	}
	v->n_rsts -= n;
	memmove(v->rsts, v->rsts + n, v->n_rsts * sizeof(v->rsts[0]));
	return v->n_rsts == 0;
}

uint32_t vsock_conn_slot(const struct vsock *v, const struct vsock_conn *conn)
{
	return (uint32_t)(conn - v->conns);
}

void vsock_conn_free(struct vsock_conn *conn)
{
	conn->state = VSOCK_FREE;
	conn->owed = 0;
}

void vsock_conn_release(struct vsock *v, struct vsock_conn *conn)
{
	vsock_conn_free(conn);
	v->backend->closed(v->ctx, vsock_conn_slot(v, conn));
}

void vsock_conn_end(struct vsock *v, struct vsock_conn *conn)
{
	conn->state = VSOCK_CLOSING;
	conn->owed = VSOCK_OWED_RST;
	v->backend->closed(v->ctx, vsock_conn_slot(v, conn));
}

bool vsock_conn_known(const struct vsock_conn *conn)
{
	return conn->state == VSOCK_OPEN ||
	       (conn->state == VSOCK_CONNECTING && (conn->owed & VSOCK_OWED_REQUEST) == 0);
}

void vsock_conn_forget(struct vsock *v)
{
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		struct vsock_conn *conn = &v->conns[i];

		if (vsock_conn_known(conn))
			vsock_conn_release(v, conn);
		else if (conn->state == VSOCK_CLOSING)
			vsock_conn_free(conn);
	}
	v->n_rsts = 0;
	v->rx_pushed = false;
}

void vsock_conn_settle(struct vsock *v)
{
	if (virtio_dev_active(&v->dev) && pay_rsts(v)) {
		for (uint32_t i = 0; i < VSOCK_MAX_CONNS && pay_conn(v, &v->conns[i]); i++)
			;
	}
	if (v->rx_pushed)
		virtio_dev_notify(&v->dev, VSOCK_QUEUE_RX);
	v->rx_pushed = false;
	if ((v->dev.status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
		vsock_conn_forget(v);
}
