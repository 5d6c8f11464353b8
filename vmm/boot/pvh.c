/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/pvh.h"

#include <string.h>

#include "base/bug.h"

static_assert(LAYOUT_START_INFO + sizeof(struct pvh_start_info) <= LAYOUT_MEMMAP, "no overlap");
static_assert(LAYOUT_MEMMAP + LAYOUT_MAX_MEMORY * sizeof(struct pvh_memory) <= LAYOUT_MODLIST,
	      "no overlap");
static_assert(LAYOUT_MODLIST + sizeof(struct pvh_module) <= LAYOUT_CMDLINE, "no overlap");

/* Low memory always exists: a guest has 16 MiB at least. */
static void pvh_put(const struct mem *mem, gpa_t gpa, const void *src, size_t len)
{
	BUG_ON(!mem_write(mem, gpa, src, len));
}

static uint32_t pvh_fill_memmap(const struct mem *mem, struct pvh_memory out[LAYOUT_MAX_MEMORY])
{
	struct layout_memory map[LAYOUT_MAX_MEMORY];
	const uint32_t n = layout_memmap(mem, map);

	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct pvh_memory){ map[i].gpa, map[i].len, map[i].type, 0 };
	return n;
}

void pvh_write(const struct mem *mem, const char *cmdline, gpa_t initrd_gpa, uint64_t initrd_len)
{
	struct pvh_memory map[LAYOUT_MAX_MEMORY];
	const struct pvh_module initrd = { .gpa = initrd_gpa, .len = initrd_len };
	const struct pvh_start_info info = {
		.magic = PVH_MAGIC,
		.version = PVH_VERSION,
		.n_modules = initrd_len != 0,
		.modlist_gpa = LAYOUT_MODLIST,
		.cmdline_gpa = LAYOUT_CMDLINE,
		.memmap_gpa = LAYOUT_MEMMAP,
		.memmap_entries = pvh_fill_memmap(mem, map),
	};

	BUG_ON(strlen(cmdline) >= LAYOUT_CMDLINE_SIZE);
	pvh_put(mem, LAYOUT_START_INFO, &info, sizeof(info));
	pvh_put(mem, LAYOUT_MEMMAP, map, info.memmap_entries * sizeof(map[0]));
	pvh_put(mem, LAYOUT_MODLIST, &initrd, sizeof(initrd));
	pvh_put(mem, LAYOUT_CMDLINE, cmdline, strlen(cmdline) + 1);
}
