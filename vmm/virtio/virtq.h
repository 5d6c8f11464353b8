/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_VIRTQ_H
#define VMM_VIRTIO_VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/mem/mem.h"

/*
 * A split virtqueue, the device's side (virtio 1.2 §2.7), with indirect descriptors and event
 * indices. The driver's rings are checked once, when the queue is made ready; each descriptor is
 * fetched once and checked when its chain is popped.
 */
#define VIRTQ_MAX_SIZE 256
#define VIRTQ_MAX_SEGS 256 /* buffers in one chain, those of its indirect table included */

struct virtq {
	uint16_t max;  /* 0: the device has no such queue */
	uint16_t size; /* chosen by the driver */
	bool ready;
	bool indirect;	     /* VIRTIO_F_INDIRECT_DESC was negotiated */
	bool event_idx;	     /* VIRTIO_F_EVENT_IDX was negotiated */
	uint16_t last_avail; /* entries taken from the available ring, modulo 2^16 */
	uint16_t used_idx;   /* entries put on the used ring, modulo 2^16 */
	uint16_t told_idx;   /* used_idx when virtq_wants_interrupt was last asked */
	gpa_t desc_gpa;
	gpa_t avail_gpa;
	gpa_t used_gpa;
};

/* The buffers of one chain: what the device may read, then what it may write. Buffers of length 0
 * are left out. The pointers are good until the callback ends that popped it. */
struct virtq_chain {
	uint16_t head; /* names the chain to virtq_push */
	uint32_t n_readable;
	uint32_t n_writable;
	uint32_t readable_len;
	uint32_t writable_len;
	struct iovec iov[VIRTQ_MAX_SEGS]; /* the readable ones, followed by the writable ones */
};

enum virtq_result {
	VIRTQ_EMPTY = 0, /* nothing there, or the queue isn't ready */
	VIRTQ_CHAIN,
	VIRTQ_BROKEN, /* the driver broke the rules: fail the device */
};

/* Check size, alignment and that the three rings lie in RAM; true, and the queue is ready, when
 * they do. features: those negotiated. */
bool virtq_activate(struct virtq *q, const struct mem *mem, uint64_t features);

/* Forget all but max. */
void virtq_reset(struct virtq *q);

/* Take the next chain. VIRTQ_EMPTY of a ready queue is a promise: the driver will notify of the
 * chain that it makes available next. Until then, with event indices, it need not. */
enum virtq_result virtq_pop(struct virtq *q, const struct mem *mem, struct virtq_chain *chain);

/* Give back the n chains popped last, untouched: the next pops find them again. */
void virtq_unpop(struct virtq *q, uint16_t n);

/* Hand the chain back to the driver; written: bytes written from the start of its writable part.
 * virtq_push is both steps: chains that only make sense together are filled in one by one, in
 * order, and then published at once. */
void virtq_fill(struct virtq *q, const struct mem *mem, uint16_t head, uint32_t written);
void virtq_publish(const struct virtq *q, const struct mem *mem);
void virtq_push(struct virtq *q, const struct mem *mem, uint16_t head, uint32_t written);

/* True when the driver wants to be told of what was pushed since the last call. Call once after the
 * last push of a batch of fewer than 2^16. */
bool virtq_wants_interrupt(struct virtq *q, const struct mem *mem);

/* The two parts of a chain. */
static inline const struct iovec *virtq_readable(const struct virtq_chain *chain)
{
	return chain->iov;
}

static inline const struct iovec *virtq_writable(const struct virtq_chain *chain)
{
	return chain->iov + chain->n_readable;
}

/* The bytes [offset, offset + len) of in[0 … n) as buffers of their own in out (room for n). How
 * many; the bytes that in doesn't have are left out. */
uint32_t virtq_slice(const struct iovec *in, uint32_t n, uint64_t offset, uint64_t len,
		     struct iovec *out);

/* Copy between in[0 … n) at offset and buf; the number of bytes copied, less than len where the
 * buffers end. */
size_t virtq_copy_out(const struct iovec *in, uint32_t n, uint64_t offset, void *buf, size_t len);
size_t virtq_copy_in(const struct iovec *in, uint32_t n, uint64_t offset, const void *buf,
		     size_t len);

#endif
