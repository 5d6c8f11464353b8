/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/longmode.h"

#include <assert.h>
#include <stdint.h>

#include "base/bug.h"
#include "vmm/boot/layout.h"

/* Entries of page tables, AMD64 APM volume 2 §5.3 */
#define LONGMODE_PRESENT  (UINT64_C(1) << 0)
#define LONGMODE_WRITABLE (UINT64_C(1) << 1)
#define LONGMODE_LARGE	  (UINT64_C(1) << 7) /* in a page directory: a page of 2 MiB */
#define LONGMODE_TABLE	  (LONGMODE_PRESENT | LONGMODE_WRITABLE)
#define LONGMODE_PAGE	  (LONGMODE_TABLE | LONGMODE_LARGE)

#define LONGMODE_ENTRIES   512u
#define LONGMODE_TABLE_LEN 4096u
#define LONGMODE_2_MIB	   (UINT64_C(2) << 20)
#define LONGMODE_1_GIB	   (UINT64_C(1) << 30)
#define LONGMODE_MAX_DIRS  (LAYOUT_HOLE_START / LONGMODE_1_GIB)

static_assert(LAYOUT_HOLE_START % LONGMODE_1_GIB == 0, "whole directories");
static_assert(LAYOUT_PAGE_DIRS + LONGMODE_MAX_DIRS * LONGMODE_TABLE_LEN <= LAYOUT_LOW_RAM_END,
	      "no overlap");
static_assert(LAYOUT_GDT + LONGMODE_GDT_LIMIT < LAYOUT_PML4, "no overlap");

static void longmode_put(const struct mem *mem, gpa_t gpa, const void *src, size_t len)
{
	BUG_ON(!mem_write(mem, gpa, src, len));
}

/* Memory is zero at start, so only entries that aren't are written. */
static void longmode_write_dir(const struct mem *mem, uint32_t i, gpa_t end)
{
	const gpa_t start = i * LONGMODE_1_GIB;
	uint64_t dir[LONGMODE_ENTRIES];
	uint32_t n = 0;

	while (n < LONGMODE_ENTRIES && start + n * LONGMODE_2_MIB < end) {
		dir[n] = (start + n * LONGMODE_2_MIB) | LONGMODE_PAGE;
		n++;
	}
	longmode_put(mem, LAYOUT_PAGE_DIRS + i * LONGMODE_TABLE_LEN, dir, n * sizeof(dir[0]));
}

void longmode_write(const struct mem *mem)
{
	/* flat: execute and read, 64-bit; read and write; an available TSS at 0 */
	const uint64_t gdt[] = {
		0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x0000890000000067, 0
	};
	const uint64_t pml4 = LAYOUT_PDPT | LONGMODE_TABLE;
	const gpa_t end = mem->regions[0].len;
	uint64_t pdpt[LONGMODE_MAX_DIRS];
	uint32_t n = 0;

	static_assert(sizeof(gdt) == LONGMODE_GDT_LIMIT + 1, "the limit is the last byte");
	BUG_ON(end > LAYOUT_HOLE_START || end % LONGMODE_2_MIB != 0);
	for (; n * LONGMODE_1_GIB < end; n++) {
		pdpt[n] = (LAYOUT_PAGE_DIRS + n * LONGMODE_TABLE_LEN) | LONGMODE_TABLE;
		longmode_write_dir(mem, n, end);
	}
	longmode_put(mem, LAYOUT_PDPT, pdpt, n * sizeof(pdpt[0]));
	longmode_put(mem, LAYOUT_PML4, &pml4, sizeof(pml4));
	longmode_put(mem, LAYOUT_GDT, gdt, sizeof(gdt));
}
