/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_VSOCK_CONN_H
#define VMM_VIRTIO_VSOCK_CONN_H

#include <linux/virtio_vsock.h>

#include "vmm/virtio/vsock.h"

/* Connections as the parts of the vsock model see them: what is owed to the guest, and ends. */
#define VSOCK_HDR_LEN ((uint32_t)sizeof(struct virtio_vsock_hdr))

/* In the order in which they are paid. */
enum vsock_owed {
	VSOCK_OWED_REQUEST = 1u << 0,
	VSOCK_OWED_RESPONSE = 1u << 1,
	VSOCK_OWED_CREDIT = 1u << 2,
	VSOCK_OWED_SHUTDOWN = 1u << 3,
	VSOCK_OWED_RST = 1u << 4,
};

/* The guest has been told of it, and thinks that it lives. */
bool vsock_conn_known(const struct vsock_conn *conn);

uint32_t vsock_conn_slot(const struct vsock *v, const struct vsock_conn *conn);

struct virtio_vsock_hdr vsock_conn_header(const struct vsock *v, const struct vsock_conn *conn,
					  uint16_t op, uint32_t len);

/* A packet of this connection was given to the guest; each carries our credit. */
void vsock_conn_told(struct vsock_conn *conn);

/* A CLOSING connection, of which the guest knows or needn't. */
void vsock_conn_free(struct vsock_conn *conn);

/* The stream is given up, and the guest knows or needn't. */
void vsock_conn_release(struct vsock *v, struct vsock_conn *conn);

/* The stream is given up, and the guest has to be told. */
void vsock_conn_end(struct vsock *v, struct vsock_conn *conn);

/* The guest's end of all connections is gone: reset, or the device failed. */
void vsock_conn_forget(struct vsock *v);

/* Ends every call from outside: pay what is owed, notify the driver once. */
void vsock_conn_settle(struct vsock *v);

#endif
