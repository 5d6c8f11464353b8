/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* A kernel file of any content: the input is the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "vmm/boot/elf.h"

#define START 0x100000ull
#define END   0x40000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *copy(const uint8_t *data, size_t len)
{
	void *bytes = malloc(len);

	BUG_ON(bytes == NULL && len != 0);
	if (len != 0)
		memcpy(bytes, data, len);
	return bytes;
}

/* What elf.h promises. */
static void check_image(const struct elf_image *image, size_t size)
{
	BUG_ON(image->n_segments == 0 || image->n_segments > ELF_MAX_SEGMENTS);
	BUG_ON(image->notes_len > ELF_MAX_NOTES_SIZE);
	BUG_ON(image->notes_offset > size || image->notes_len > size - image->notes_offset);
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const struct elf_segment *seg = &image->segments[i];

		BUG_ON(seg->file_len > seg->mem_len || seg->mem_len == 0);
		BUG_ON(seg->file_offset > size || seg->file_len > size - seg->file_offset);
		BUG_ON(seg->gpa < START || seg->gpa > END || seg->mem_len > END - seg->gpa);
		BUG_ON(i > 0 && seg[-1].gpa + seg[-1].mem_len > seg->gpa);
	}
}

static void check_entry(const struct elf_image *image, gpa_t entry)
{
	bool inside = false;

	for (uint32_t i = 0; i < image->n_segments; i++)
		inside |= entry >= image->segments[i].gpa &&
			  entry - image->segments[i].gpa < image->segments[i].file_len;
	BUG_ON(!inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t head_len = size < ELF_HEAD_SIZE ? size : ELF_HEAD_SIZE;
	void *head = copy(data, head_len), *notes;
	struct elf_image image;
	struct err err;
	struct entry entry;

	if (elf_parse(head, head_len, size, START, END, &image, &err) == 0) {
		check_image(&image, size);
		notes = copy(data + image.notes_offset, image.notes_len);
		if (elf_find_entry(&image, notes, image.notes_len, &entry, &err) == 0)
			check_entry(&image, entry.gpa);
		free(notes);
	}
	free(head);
	return 0;
}
