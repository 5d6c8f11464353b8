/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/layout.h"

#include "base/num.h"

void layout_regions(struct mem *mem, uint8_t *host, uint64_t memory_bytes)
{
	uint64_t low = num_min_u64(memory_bytes, LAYOUT_HOLE_START);

	*mem = (struct mem){ .n_regions = 1, .regions[0] = { 0, low, host } };
	if (memory_bytes == low)
		return;
	mem->n_regions = 2;
	mem->regions[1] = (struct mem_region){ LAYOUT_HOLE_END, memory_bytes - low, host + low };
}

uint32_t layout_memmap(const struct mem *mem, struct layout_memory map[LAYOUT_MAX_MEMORY])
{
	uint32_t n = 0;

	map[n++] = (struct layout_memory){ 0, LAYOUT_LOW_RAM_END, LAYOUT_RAM };
	map[n++] =
		(struct layout_memory){ LAYOUT_LOW_RAM_END, LAYOUT_HIGH_START - LAYOUT_LOW_RAM_END,
					LAYOUT_RESERVED };
	map[n++] = (struct layout_memory){ LAYOUT_HIGH_START,
					   mem->regions[0].len - LAYOUT_HIGH_START, LAYOUT_RAM };
	if (mem->n_regions == 2)
		map[n++] = (struct layout_memory){ mem->regions[1].gpa, mem->regions[1].len,
						   LAYOUT_RAM };
	return n;
}
