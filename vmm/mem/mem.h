/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MEM_MEM_H
#define VMM_MEM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Guest memory: the only code that turns a guest-physical address into a pointer. Regions don't
 * overlap, are sorted, and never change after start. A pointer is good until the callback returns
 * that asked for it; what it points at can change under our feet at any time, so each guest field
 * is fetched once into a local.
 */
typedef uint64_t gpa_t;

#define MEM_MAX_REGIONS 2 /* below and above the hole under 4 GiB */

struct mem_region {
	gpa_t gpa;
	uint64_t len;
	uint8_t *host; /* mapping of len bytes, owned by whoever filled this in */
};

struct mem {
	uint32_t n_regions;
	struct mem_region regions[MEM_MAX_REGIONS];
};

/* Pointer to len bytes at gpa, or NULL unless they lie within one region. len 0 is NULL too: a
 * caller that has nothing to touch needs no pointer. */
void *mem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len);

/* Copy into or out of guest memory; false (nothing copied) when the range isn't RAM. */
bool mem_read(const struct mem *mem, gpa_t gpa, void *dst, size_t len);
bool mem_write(const struct mem *mem, gpa_t gpa, const void *src, size_t len);

#endif
