/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_UNIT_SUPPORT_DRIVER_H
#define TESTS_UNIT_SUPPORT_DRIVER_H

/*
 * The driver's side, for tests of everything under vmm/virtio: guest memory in two heap blocks (so
 * that the sanitizer sees each byte beyond them), registers, rings. It can do all that a kernel
 * does, and all that a kernel shouldn't.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "vmm/mem/mem.h"
#include "vmm/virtio/mmio.h"

#define LOW_LEN	 0x100000ull
#define HIGH_GPA 0x100000000ull
#define HIGH_LEN 0x40000ull
#define HOLE_GPA LOW_LEN /* nothing between low and high memory */

#define F_BASE	   (1ull << VIRTIO_F_VERSION_1)
#define F_INDIRECT (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT	   (1ull << VIRTIO_RING_F_EVENT_IDX)
#define F_RING	   (F_INDIRECT | F_EVENT) /* every device offers them */

#define S_DRIVEN     (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define S_NEGOTIATED (S_DRIVEN | VIRTIO_CONFIG_S_FEATURES_OK)
#define S_RUNNING    (S_NEGOTIATED | VIRTIO_CONFIG_S_DRIVER_OK)

struct ring {
	uint16_t size;
	gpa_t desc_gpa, avail_gpa, used_gpa;
	uint16_t next_desc;
	uint16_t avail_idx;
	uint16_t last_used;
};

struct driver {
	struct mem mem;
	struct virtio_dev *dev;
	struct mmio_dev mmio;
	struct ring rings[VIRTIO_MAX_QUEUES];
	gpa_t next_gpa;
	unsigned int n_irqs;
};

struct buf {
	gpa_t gpa;
	uint32_t len;
	bool writable;
};

static inline void driver_raise(void *ctx)
{
	((struct driver *)ctx)->n_irqs++;
}

static inline struct virtio_irq driver_irq(struct driver *d)
{
	return (struct virtio_irq){ .raise = driver_raise, .ctx = d };
}

static inline void driver_init(struct driver *d)
{
	*d = (struct driver){ .next_gpa = 0x1000 };
	d->mem.n_regions = 2;
	d->mem.regions[0] = (struct mem_region){ 0, LOW_LEN, aligned_alloc(4096, LOW_LEN) };
	d->mem.regions[1] =
		(struct mem_region){ HIGH_GPA, HIGH_LEN, aligned_alloc(4096, HIGH_LEN) };
	for (int i = 0; i < 2; i++)
		memset(d->mem.regions[i].host, 0, d->mem.regions[i].len);
}

static inline void driver_fini(struct driver *d)
{
	free(d->mem.regions[0].host);
	free(d->mem.regions[1].host);
}

static inline void *driver_ptr(struct driver *d, gpa_t gpa, uint64_t len)
{
	void *ptr = mem_ptr(&d->mem, gpa, len);

	assert_non_null(ptr);
	return ptr;
}

/* Zeroed guest memory, 16 byte aligned. */
static inline gpa_t driver_alloc(struct driver *d, uint64_t len)
{
	gpa_t gpa = d->next_gpa;

	d->next_gpa += (len + 15) & ~15ull;
	assert_true(d->next_gpa <= LOW_LEN);
	memset(driver_ptr(d, gpa, len), 0, len);
	return gpa;
}

static inline gpa_t driver_bytes(struct driver *d, const void *bytes, uint64_t len)
{
	gpa_t gpa = driver_alloc(d, len);

	memcpy(driver_ptr(d, gpa, len), bytes, len);
	return gpa;
}

static inline uint32_t driver_get(struct driver *d, uint64_t reg)
{
	uint32_t value = 0xdeadbeef;

	mmio_read(&d->mmio, reg, &value, sizeof(value));
	return value;
}

static inline uint32_t driver_set(struct driver *d, uint64_t reg, uint32_t value)
{
	return mmio_write(&d->mmio, reg, &value, sizeof(value));
}

static inline void driver_set_features(struct driver *d, uint64_t features)
{
	driver_set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_set(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	driver_set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_set(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* Reset, then as far as FEATURES_OK. */
static inline void driver_negotiate(struct driver *d, uint64_t features)
{
	driver_set(d, VIRTIO_MMIO_STATUS, 0);
	driver_set(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_set(d, VIRTIO_MMIO_STATUS, S_DRIVEN);
	driver_set_features(d, features);
	driver_set(d, VIRTIO_MMIO_STATUS, S_NEGOTIATED);
}

static inline void driver_place(struct driver *d, uint32_t q, uint32_t size, gpa_t desc,
				gpa_t avail, gpa_t used)
{
	driver_set(d, VIRTIO_MMIO_QUEUE_SEL, q);
	driver_set(d, VIRTIO_MMIO_QUEUE_NUM, size);
	driver_set(d, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
	driver_set(d, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
	driver_set(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)avail);
	driver_set(d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(avail >> 32));
	driver_set(d, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)used);
	driver_set(d, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(used >> 32));
	driver_set(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

static inline void driver_make_ring(struct driver *d, struct ring *r, uint16_t size)
{
	*r = (struct ring){ .size = size };
	r->desc_gpa = driver_alloc(d, size * sizeof(struct vring_desc));
	r->avail_gpa = driver_alloc(d, 6 + 2ull * size);
	r->used_gpa = driver_alloc(d, 6 + 8ull * size);
}

/* All of the way to DRIVER_OK; the queues that the machine would now kick. Each queue has size
 * entries or its maximum, whichever is less. */
static inline uint32_t driver_start(struct driver *d, struct virtio_dev *dev, uint64_t features,
				    uint16_t size)
{
	d->dev = dev;
	mmio_init(&d->mmio, dev);
	driver_negotiate(d, features);
	assert_int_equal(driver_get(d, VIRTIO_MMIO_STATUS), S_NEGOTIATED);
	for (uint32_t q = 0; q < dev->model->n_queues; q++) {
		struct ring *r = &d->rings[q];
		uint16_t max = dev->model->queue_max[q];

		driver_make_ring(d, r, size < max ? size : max);
		driver_place(d, q, r->size, r->desc_gpa, r->avail_gpa, r->used_gpa);
		assert_int_equal(driver_get(d, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	return driver_set(d, VIRTIO_MMIO_STATUS, S_RUNNING);
}

static inline struct vring_desc *driver_desc(struct driver *d, uint32_t q, uint16_t i)
{
	struct ring *r = &d->rings[q];
	struct vring_desc *desc = driver_ptr(d, r->desc_gpa, r->size * sizeof(*desc));

	assert_true(i < r->size);
	return &desc[i];
}

static inline struct vring_avail *driver_avail(struct driver *d, uint32_t q)
{
	return driver_ptr(d, d->rings[q].avail_gpa, 6 + 2ull * d->rings[q].size);
}

static inline struct vring_used *driver_used_ring(struct driver *d, uint32_t q)
{
	return driver_ptr(d, d->rings[q].used_gpa, 6 + 8ull * d->rings[q].size);
}

/* The event indices (virtio 1.2 §2.7.7.2, §2.7.10): the driver's, behind the available ring … */
static inline void driver_set_used_event(struct driver *d, uint32_t q, uint16_t idx)
{
	__atomic_store_n(&driver_avail(d, q)->ring[d->rings[q].size], idx, __ATOMIC_SEQ_CST);
}

/* … and the device's, behind the used ring: whether it wants to be notified, now that the available
 * index has moved on from old. */
static inline bool driver_must_kick(struct driver *d, uint32_t q, uint16_t old)
{
	const void *event = &driver_used_ring(d, q)->ring[d->rings[q].size];

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vring_need_event(__atomic_load_n((const uint16_t *)event, __ATOMIC_RELAXED),
				d->rings[q].avail_idx, old) != 0;
}

/* Make head available, whatever it is. */
static inline void driver_offer(struct driver *d, uint32_t q, uint16_t head)
{
	struct ring *r = &d->rings[q];
	struct vring_avail *avail = driver_avail(d, q);

	avail->ring[r->avail_idx % r->size] = head;
	__atomic_store_n(&avail->idx, ++r->avail_idx, __ATOMIC_RELEASE);
}

/* Write n descriptors into table, chained from index first on (wrapping at size). */
static inline void driver_describe(struct vring_desc *table, uint16_t size, uint16_t first,
				   const struct buf *bufs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint16_t next = (uint16_t)((first + i + 1) % size);

		table[(first + i) % size] = (struct vring_desc){
			.addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = (uint16_t)((i + 1 < n ? VRING_DESC_F_NEXT : 0) |
					    (bufs[i].writable ? VRING_DESC_F_WRITE : 0)),
			.next = next,
		};
	}
}

/* A chain of direct descriptors; its head. */
static inline uint16_t driver_add(struct driver *d, uint32_t q, const struct buf *bufs, uint16_t n)
{
	struct ring *r = &d->rings[q];
	uint16_t head = r->next_desc;

	assert_true(n <= r->size);
	driver_describe(driver_desc(d, q, 0), r->size, head, bufs, n);
	r->next_desc = (uint16_t)((head + n) % r->size);
	driver_offer(d, q, head);
	return head;
}

#define ADD(d, q, ...)                                                                             \
	driver_add(d, q, (const struct buf[]){ __VA_ARGS__ },                                      \
		   (uint16_t)(sizeof((const struct buf[]){ __VA_ARGS__ }) / sizeof(struct buf)))

/* The next used element; false when there is none. */
static inline bool driver_take(struct driver *d, uint32_t q, struct vring_used_elem *elem)
{
	struct ring *r = &d->rings[q];
	struct vring_used *used = driver_used_ring(d, q);

	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == r->last_used)
		return false;
	*elem = used->ring[r->last_used++ % r->size];
	return true;
}

/* Take exactly one element: that of head, with written bytes. */
static inline void driver_expect(struct driver *d, uint32_t q, uint16_t head, uint32_t written)
{
	struct vring_used_elem elem;

	assert_true(driver_take(d, q, &elem));
	assert_int_equal(elem.id, head);
	assert_int_equal(elem.len, written);
}

static inline void driver_expect_nothing(struct driver *d, uint32_t q)
{
	struct vring_used_elem elem;

	assert_false(driver_take(d, q, &elem));
}

static inline bool driver_kick(struct driver *d, uint32_t q)
{
	assert_int_equal(driver_set(d, VIRTIO_MMIO_QUEUE_NOTIFY, q), 1u << q);
	return d->dev->model->kick(d->dev, q);
}

/* The device has given up, said so, and serves nothing; a reset makes it whole. */
static inline void driver_expect_failed(struct driver *d)
{
	assert_true((driver_get(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0);
	assert_true((driver_get(d, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG) != 0);
	assert_false(virtio_dev_active(d->dev));
	assert_true(d->dev->n_guest_errors > 0);
	assert_int_equal(driver_set(d, VIRTIO_MMIO_QUEUE_NOTIFY, 0), 0);
}

#endif
