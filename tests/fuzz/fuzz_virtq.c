/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Rings of any content. Input: one byte of set-up (ring size, features), one of how many steps
 * follow, the steps of four bytes each, then the guest's memory from address 0 on. A step pops a
 * chain and does something with it, or changes a byte of memory, as a driver on another CPU might.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "base/bug.h"
#include "vmm/virtio/virtq.h"

#define LOW_LEN	  0x2000
#define HIGH_GPA  0x100000000ull
#define HIGH_LEN  0x400
#define DESC_GPA  0
#define AVAIL_GPA 0x1000
#define USED_GPA  0x1400
#define STEP_LEN  4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool in_ram(const struct mem *mem, const struct iovec *iov)
{
	for (uint32_t i = 0; i < mem->n_regions; i++) {
		const struct mem_region *r = &mem->regions[i];
		const uint8_t *start = iov->iov_base;

		if (start >= r->host && iov->iov_len <= r->len &&
		    (uint64_t)(start - r->host) <= r->len - iov->iov_len)
			return true;
	}
	return false;
}

static void check_chain(const struct mem *mem, const struct virtq_chain *chain)
{
	uint64_t readable = 0, writable = 0;

	BUG_ON(chain->n_readable + chain->n_writable > VIRTQ_MAX_SEGS);
	for (uint32_t i = 0; i < chain->n_readable + chain->n_writable; i++) {
		BUG_ON(!in_ram(mem, &chain->iov[i]));
		BUG_ON(chain->iov[i].iov_len == 0);
		*(i < chain->n_readable ? &readable : &writable) += chain->iov[i].iov_len;
	}
	BUG_ON(readable != chain->readable_len || writable != chain->writable_len);
}

static void use_chain(struct virtq *q, const struct mem *mem, const struct virtq_chain *chain,
		      const uint8_t *step)
{
	uint8_t bytes[64];
	size_t n, expect = chain->readable_len > step[1] ? chain->readable_len - step[1] : 0;

	check_chain(mem, chain);
	n = virtq_copy_out(virtq_readable(chain), chain->n_readable, step[1], bytes, sizeof(bytes));
	BUG_ON(n != (expect < sizeof(bytes) ? expect : sizeof(bytes)));
	memset(bytes, step[2], sizeof(bytes));
	n = virtq_copy_in(virtq_writable(chain), chain->n_writable, step[1], bytes, sizeof(bytes));
	if ((step[0] & 4) != 0)
		virtq_unpop(q, 1);
	else
		virtq_push(q, mem, chain->head, (uint32_t)n);
	if ((step[0] & 8) == 0)
		(void)virtq_wants_interrupt(q, mem);
}

static void run(struct virtq *q, const struct mem *mem, const uint8_t *steps, size_t n_steps)
{
	for (size_t i = 0; i < n_steps; i++, steps += STEP_LEN) {
		struct virtq_chain chain;

		if ((steps[0] & 3) == 0)
			mem->regions[0].host[(steps[1] | steps[2] << 8) % LOW_LEN] = steps[3];
		else if (virtq_pop(q, mem, &chain) == VIRTQ_CHAIN)
			use_chain(q, mem, &chain, steps);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtq q = { .max = VIRTQ_MAX_SIZE, .desc_gpa = DESC_GPA, .avail_gpa = AVAIL_GPA };
	struct mem mem = { .n_regions = 2 };
	size_t n_steps, image;

	if (size < 2)
		return 0;
	q.used_gpa = USED_GPA;
	q.size = (uint16_t)(1u << (data[0] & 7));
	n_steps = data[1];
	image = 2 + n_steps * STEP_LEN;
	if (image > size)
		return 0;
	mem.regions[0] = (struct mem_region){ 0, LOW_LEN, calloc(1, LOW_LEN) };
	mem.regions[1] = (struct mem_region){ HIGH_GPA, HIGH_LEN, calloc(1, HIGH_LEN) };
	memcpy(mem.regions[0].host, data + image, size - image < LOW_LEN ? size - image : LOW_LEN);
	BUG_ON(!virtq_activate(&q, &mem,
			       (uint64_t)((data[0] & 8) != 0) << VIRTIO_RING_F_INDIRECT_DESC |
				       (uint64_t)((data[0] & 16) != 0) << VIRTIO_RING_F_EVENT_IDX));
	run(&q, &mem, data + 2, n_steps);
	free(mem.regions[0].host);
	free(mem.regions[1].host);
	return 0;
}
