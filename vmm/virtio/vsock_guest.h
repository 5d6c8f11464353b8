/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_VSOCK_GUEST_H
#define VMM_VIRTIO_VSOCK_GUEST_H

#include "vmm/virtio/vsock.h"

/*
 * What the guest sends. Data goes through the slot's ring to the stream; what the ring can't hold
 * is more than the credit that the guest was given. RSTs for connections that don't exist wait in a
 * short list; while that is full, nothing more is taken from the guest.
 */

/* Serve the transmit queue, settle. True: more may be left. */
bool vsock_guest_serve(struct vsock *v);

/* Move what the stream takes of the slot's ring, which isn't empty. */
void vsock_guest_write(struct vsock *v, struct vsock_conn *conn);

/* The ring is empty: see whether there is an end behind it. */
void vsock_guest_drained(struct vsock *v, struct vsock_conn *conn);

#endif
