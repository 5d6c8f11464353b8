/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Split virtqueues, the device's side.
 *
 * The rings' places and size are frozen and checked when the queue is made ready, so each later
 * access to them is in bounds as long as the index is. Descriptors are not frozen: a driver can
 * change one at any time, so each is copied once, by mem_read, and only the copy is looked at. A
 * chain is walked by a count that ends with the table, so that no loop of descriptors keeps us.
 *
 * All atomics of the device side are here. Everything is little-endian, as is the only host.
 */
#include "vmm/virtio/virtq.h"

#include <linux/virtio_ring.h>
#include <string.h>

#include "base/bug.h"
#include "base/num.h"

static uint64_t desc_len(const struct virtq *q)
{
	return (uint64_t)q->size * sizeof(struct vring_desc);
}

/* Behind each ring stands an event index, negotiated or not (virtio 1.2 §2.7). */
static uint64_t avail_len(const struct virtq *q)
{
	return sizeof(struct vring_avail) + ((uint64_t)q->size + 1) * sizeof(__virtio16);
}

static uint64_t used_len(const struct virtq *q)
{
	return sizeof(struct vring_used) + (uint64_t)q->size * sizeof(struct vring_used_elem) +
	       sizeof(__virtio16);
}

static struct vring_avail *avail_ring(const struct virtq *q, const struct mem *mem)
{
	struct vring_avail *avail = mem_ptr(mem, q->avail_gpa, avail_len(q));

	BUG_ON(avail == NULL);
	return avail;
}

static struct vring_used *used_ring(const struct virtq *q, const struct mem *mem)
{
	struct vring_used *used = mem_ptr(mem, q->used_gpa, used_len(q));

	BUG_ON(used == NULL);
	return used;
}

static bool ring_ok(const struct mem *mem, gpa_t gpa, uint64_t len, uint64_t align)
{
	return gpa % align == 0 && mem_ptr(mem, gpa, len) != NULL;
}

bool virtq_activate(struct virtq *q, const struct mem *mem, uint64_t features)
{
	if (!num_is_pow2(q->size) || q->size > q->max)
		return false;
	if (!ring_ok(mem, q->desc_gpa, desc_len(q), VRING_DESC_ALIGN_SIZE) ||
	    !ring_ok(mem, q->avail_gpa, avail_len(q), VRING_AVAIL_ALIGN_SIZE) ||
	    !ring_ok(mem, q->used_gpa, used_len(q), VRING_USED_ALIGN_SIZE))
		return false;
	q->indirect = (features & 1ull << VIRTIO_RING_F_INDIRECT_DESC) != 0;
	q->event_idx = (features & 1ull << VIRTIO_RING_F_EVENT_IDX) != 0;
	q->ready = true;
	return true;
}

void virtq_reset(struct virtq *q)
{
	*q = (struct virtq){ .max = q->max };
}

/* Add one buffer. False: not RAM, too many or too long, or readable after writable. */
static bool add_buffer(struct virtq_chain *chain, const struct mem *mem,
		       const struct vring_desc *desc)
{
	bool writable = (desc->flags & VRING_DESC_F_WRITE) != 0;
	uint32_t n = chain->n_readable + chain->n_writable;
	uint64_t total = (uint64_t)chain->readable_len + chain->writable_len + desc->len;
	void *ptr;

	if (!writable && chain->n_writable > 0)
		return false;
	if (desc->len == 0)
		return true;
	ptr = mem_ptr(mem, desc->addr, desc->len);
	if (ptr == NULL || n == VIRTQ_MAX_SEGS || total > UINT32_MAX)
		return false;
	chain->iov[n] = (struct iovec){ .iov_base = ptr, .iov_len = desc->len };
	if (writable) {
		chain->n_writable++;
		chain->writable_len += desc->len;
	} else {
		chain->n_readable++;
		chain->readable_len += desc->len;
	}
	return true;
}

/* Follow the descriptors of the table of n at gpa from index i on. At their end may stand one
 * indirect descriptor; it is given to the caller. */
static bool walk(const struct mem *mem, gpa_t gpa, uint32_t n, uint32_t i,
		 struct virtq_chain *chain, struct vring_desc *indirect)
{
	for (uint32_t steps = 0; steps < n && i < n; steps++) {
		struct vring_desc desc;

		if (!mem_read(mem, gpa + (uint64_t)i * sizeof(desc), &desc, sizeof(desc)))
			return false;
		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0) {
			*indirect = desc;
			return (desc.flags & VRING_DESC_F_NEXT) == 0;
		}
		if (!add_buffer(chain, mem, &desc))
			return false;
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			return true;
		i = desc.next;
	}
	return false;
}

static bool walk_indirect(const struct mem *mem, const struct vring_desc *table,
			  struct virtq_chain *chain)
{
	struct vring_desc nested = { .flags = 0 };
	uint32_t n = table->len / (uint32_t)sizeof(struct vring_desc);

	if (table->len % sizeof(struct vring_desc) != 0 || n > VIRTQ_MAX_SEGS)
		return false;
	if (mem_ptr(mem, table->addr, table->len) == NULL)
		return false;
	return walk(mem, table->addr, n, 0, chain, &nested) && nested.flags == 0;
}

/* How many chains the driver claims to have made available. */
static uint16_t count_available(const struct virtq *q, const struct vring_avail *avail)
{
	/* Pairs with the driver's write barrier between filling descriptors and ring, and raising
	 * idx. */
	return (uint16_t)(__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) - q->last_avail);
}

/* Ask to be notified of the next chain (virtio 1.2 §2.7.10). */
static void ask_for_notification(const struct virtq *q, const struct mem *mem)
{
	/* avail_event stands where one more element of the used ring would. */
	uint16_t *avail_event = (void *)&used_ring(q, mem)->ring[q->size];

	__atomic_store_n(avail_event, q->last_avail, __ATOMIC_RELAXED);
	/* avail_event must be seen before idx is read again. Pairs with the driver's full barrier
	 * between raising idx and looking at avail_event: either it sees that we want to know, or
	 * we see its chain. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

enum virtq_result virtq_pop(struct virtq *q, const struct mem *mem, struct virtq_chain *chain)
{
	struct vring_desc indirect = { .flags = 0 };
	const struct vring_avail *avail;
	uint16_t n_avail;

	if (!q->ready)
		return VIRTQ_EMPTY;
	avail = avail_ring(q, mem);
	n_avail = count_available(q, avail);
	if (n_avail == 0 && q->event_idx) {
		ask_for_notification(q, mem);
		n_avail = count_available(q, avail);
	}
	if (n_avail == 0)
		return VIRTQ_EMPTY;
	if (n_avail > q->size)
		return VIRTQ_BROKEN;
	/* Ordered after idx by the acquire above. */
	chain->head = __atomic_load_n(&avail->ring[q->last_avail % q->size], __ATOMIC_RELAXED);
	chain->n_readable = chain->n_writable = 0;
	chain->readable_len = chain->writable_len = 0;
	if (!walk(mem, q->desc_gpa, q->size, chain->head, chain, &indirect))
		return VIRTQ_BROKEN;
	if (indirect.flags != 0 && (!q->indirect || !walk_indirect(mem, &indirect, chain)))
		return VIRTQ_BROKEN;
	q->last_avail++;
	return VIRTQ_CHAIN;
}

void virtq_unpop(struct virtq *q, uint16_t n)
{
	BUG_ON(!q->ready);
	q->last_avail = (uint16_t)(q->last_avail - n);
}

void virtq_fill(struct virtq *q, const struct mem *mem, uint16_t head, uint32_t written)
{
	struct vring_used_elem *elem = &used_ring(q, mem)->ring[q->used_idx % q->size];

	/* Ordered before idx by the release below. */
	__atomic_store_n(&elem->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len, written, __ATOMIC_RELAXED);
	q->used_idx++;
}

void virtq_publish(const struct virtq *q, const struct mem *mem)
{
	/* Pairs with the driver's read barrier between seeing idx, and reading the entry and the
	 * buffers. */
	__atomic_store_n(&used_ring(q, mem)->idx, q->used_idx, __ATOMIC_RELEASE);
}

void virtq_push(struct virtq *q, const struct mem *mem, uint16_t head, uint32_t written)
{
	virtq_fill(q, mem, head, written);
	virtq_publish(q, mem);
}

bool virtq_wants_interrupt(struct virtq *q, const struct mem *mem)
{
	const struct vring_avail *avail = avail_ring(q, mem);
	uint16_t told_idx = q->told_idx, used_event;

	if (q->used_idx == told_idx)
		return false;
	q->told_idx = q->used_idx;
	/* used->idx must be seen before flags or used_event is read. Pairs with the driver's full
	 * barrier between clearing NO_INTERRUPT or moving used_event, and looking at used->idx a
	 * last time: one of us sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx) {
		used_event = __atomic_load_n(&avail->ring[q->size], __ATOMIC_RELAXED);
		return vring_need_event(used_event, q->used_idx, told_idx) != 0;
	}
	return (__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

uint32_t virtq_slice(const struct iovec *in, uint32_t n, uint64_t offset, uint64_t len,
		     struct iovec *out)
{
	uint32_t n_out = 0;

	for (uint32_t i = 0; i < n && len > 0; i++) {
		uint64_t part;

		if (offset >= in[i].iov_len) {
			offset -= in[i].iov_len;
			continue;
		}
		part = num_min_u64(in[i].iov_len - offset, len);
		out[n_out++] = (struct iovec){
			.iov_base = (uint8_t *)in[i].iov_base + offset,
			.iov_len = part,
		};
		offset = 0;
		len -= part;
	}
	return n_out;
}

size_t virtq_copy_out(const struct iovec *in, uint32_t n, uint64_t offset, void *buf, size_t len)
{
	struct iovec part[VIRTQ_MAX_SEGS];
	uint32_t n_parts = virtq_slice(in, n, offset, len, part);
	size_t done = 0;

	for (uint32_t i = 0; i < n_parts; i++) {
		memcpy((uint8_t *)buf + done, part[i].iov_base, part[i].iov_len);
		done += part[i].iov_len;
	}
	/* The guest may write meanwhile: what was copied is what gets used, never read again. */
	__asm__ volatile("" : : "r"(buf) : "memory");
	return done;
}

size_t virtq_copy_in(const struct iovec *in, uint32_t n, uint64_t offset, const void *buf,
		     size_t len)
{
	struct iovec part[VIRTQ_MAX_SEGS];
	uint32_t n_parts = virtq_slice(in, n, offset, len, part);
	size_t done = 0;

	for (uint32_t i = 0; i < n_parts; i++) {
		memcpy(part[i].iov_base, (const uint8_t *)buf + done, part[i].iov_len);
		done += part[i].iov_len;
	}
	return done;
}
