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
