/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Guest memory: from address to pointer, and copies. */
#include "vmm/mem/mem.h"

#include <string.h>

#include "base/num.h"

void *mem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (uint32_t i = 0; i < mem->n_regions; i++) {
		const struct mem_region *r = &mem->regions[i];

		if (gpa >= r->gpa && num_range_ok(gpa - r->gpa, len, r->len))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

/* The guest may write the source meanwhile: what was copied is what gets checked and used, never
 * read again. */
static void copy_once(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	__asm__ volatile("" : : "r"(dst) : "memory");
}

bool mem_read(const struct mem *mem, gpa_t gpa, void *dst, size_t len)
{
	const void *src = mem_ptr(mem, gpa, len);

	if (src == NULL)
		return len == 0;
	copy_once(dst, src, len);
	return true;
}

bool mem_write(const struct mem *mem, gpa_t gpa, const void *src, size_t len)
{
	void *dst = mem_ptr(mem, gpa, len);

	if (dst == NULL)
		return len == 0;
	copy_once(dst, src, len);
	return true;
}
