/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when [offset, offset + len) lies in [0, size); can't overflow. */
static inline bool num_range_ok(uint64_t offset, uint64_t len, uint64_t size)
{
	return len <= size && offset <= size - len;
}

static inline bool num_is_pow2(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* Round v up to a multiple of align (a power of two); the caller knows that it does not overflow. */
static inline uint64_t num_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint32_t num_min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint64_t num_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
