/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_ELF_H
#define VMM_BOOT_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/boot/entry.h"
#include "vmm/mem/mem.h"

/*
 * An uncompressed Linux kernel (ELF64 vmlinux) as a list of what to read where. The file is never mapped: the caller
 * reads its first ELF_HEAD_SIZE bytes, gets the list, and reads each segment straight into guest memory.
 * Errors have code ERR_USAGE: the file isn't such a kernel; the text says why.
 */
#define ELF_HEAD_SIZE	   4096 /* ELF header and program headers lie within */
#define ELF_MAX_SEGMENTS   16
#define ELF_MAX_NOTES_SIZE 16384

struct elf_segment {
	uint64_t file_offset;
	uint64_t file_len;
	gpa_t gpa;
	uint64_t mem_len; /* what follows file_len bytes is zero */
};

struct elf_image {
	uint32_t n_segments; /* sorted by gpa, without overlap, at least one */
	struct elf_segment segments[ELF_MAX_SEGMENTS];
	uint64_t entry;	       /* e_entry, unchecked: of Linux the physical address of startup_64 */
	uint64_t notes_offset; /* in the file */
	uint64_t notes_len;    /* 0 (there are none) … ELF_MAX_NOTES_SIZE */
};

/*
 * Read the headers. Every segment lies in the file of file_size bytes and, in guest memory, within [start, end).
 * 0, or -1 with err.
 */
int elf_parse(const void *head, size_t head_len, uint64_t file_size, gpa_t start, gpa_t end,
	      struct elf_image *image, struct err *err);

/*
 * Decide how the kernel is entered, by its len bytes of notes (docs/decisions/009-boot-protocols.md): one with a note of
 * the owner "Linux" is Linux, entered in 64-bit mode at e_entry; another with Xen's XEN_ELFNOTE_PHYS32_ENTRY by PVH; one
 * with neither in 64-bit mode. The entry point lies in what image loads from the file. 0, or -1 with err.
 */
int elf_find_entry(const struct elf_image *image, const void *notes, size_t len,
		   struct entry *entry, struct err *err);

#endif
