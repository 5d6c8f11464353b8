/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <string.h>

#include "base/num.h"

/* xen/include/public/elfnote.h; not among the UAPI headers */
#define ELF_XEN_NAME	     "Xen"
#define ELF_XEN_PHYS32_ENTRY 18u

static int elf_check_header(const Elf64_Ehdr *ehdr, size_t head_len, struct err *err)
{
	if (memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(
			err, ERR_USAGE,
			"not an ELF file (a bzImage won't do: give the uncompressed vmlinux)");
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB ||
	    ehdr->e_machine != EM_X86_64)
		return err_set(err, ERR_USAGE, "not an ELF file for x86-64");
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return err_set(err, ERR_USAGE, "an ELF file, but not an executable one");
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr) ||
	    !num_range_ok(ehdr->e_phoff, (uint64_t)ehdr->e_phnum * sizeof(Elf64_Phdr), head_len))
		return err_set(err, ERR_USAGE,
			       "ELF program headers aren't in the file's first %d bytes",
			       ELF_HEAD_SIZE);
	return 0;
}

/* Insert in the order of gpa, refusing overlap. */
static int elf_insert(struct elf_image *image, const struct elf_segment *seg, struct err *err)
{
	struct elf_segment *slot = image->segments + image->n_segments;

	if (image->n_segments == ELF_MAX_SEGMENTS)
		return err_set(err, ERR_USAGE, "ELF file has more than %d segments",
			       ELF_MAX_SEGMENTS);
	for (; slot > image->segments && slot[-1].gpa > seg->gpa; slot--)
		slot[0] = slot[-1];
	*slot = *seg;
	image->n_segments++;
	if ((slot > image->segments && slot[-1].gpa + slot[-1].mem_len > seg->gpa) ||
	    (slot < image->segments + image->n_segments - 1 &&
	     seg->gpa + seg->mem_len > slot[1].gpa))
		return err_set(err, ERR_USAGE, "ELF segments overlap at 0x%llx",
			       (unsigned long long)seg->gpa);
	return 0;
}

static int elf_add_segment(struct elf_image *image, const Elf64_Phdr *phdr, uint64_t file_size,
			   gpa_t start, gpa_t end, struct err *err)
{
	const struct elf_segment seg = { phdr->p_offset, phdr->p_filesz, phdr->p_paddr,
					 phdr->p_memsz };

	if (seg.mem_len == 0)
		return 0;
	if (seg.file_len > seg.mem_len)
		return err_set(err, ERR_USAGE, "ELF segment is larger in the file than in memory");
	if (!num_range_ok(seg.file_offset, seg.file_len, file_size))
		return err_set(err, ERR_USAGE, "ELF segment reaches beyond the end of the file");
	if (seg.gpa < start || !num_range_ok(seg.gpa, seg.mem_len, end))
		return err_set(
			err, ERR_USAGE,
			"ELF segment at 0x%llx, %llu bytes, doesn't fit into the guest's memory",
			(unsigned long long)seg.gpa, (unsigned long long)seg.mem_len);
	return elf_insert(image, &seg, err);
}

static int elf_add_notes(struct elf_image *image, const Elf64_Phdr *phdr, uint64_t file_size,
			 struct err *err)
{
	if (image->notes_len != 0)
		return err_set(err, ERR_USAGE, "ELF file has more than one note segment");
	if (phdr->p_filesz == 0 || phdr->p_filesz > ELF_MAX_NOTES_SIZE ||
	    !num_range_ok(phdr->p_offset, phdr->p_filesz, file_size))
		return err_set(
			err, ERR_USAGE,
			"ELF note segment is empty, too large or beyond the end of the file");
	image->notes_offset = phdr->p_offset;
	image->notes_len = phdr->p_filesz;
	return 0;
}

int elf_parse(const void *head, size_t head_len, uint64_t file_size, gpa_t start, gpa_t end,
	      struct elf_image *image, struct err *err)
{
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;

	memset(image, 0, sizeof(*image));
	if (head_len < sizeof(ehdr))
		return err_set(err, ERR_USAGE, "too short for an ELF file");
	memcpy(&ehdr, head, sizeof(ehdr));
	if (elf_check_header(&ehdr, head_len, err) < 0)
		return -1;
	for (uint32_t i = 0; i < ehdr.e_phnum; i++) {
		memcpy(&phdr, (const uint8_t *)head + ehdr.e_phoff + i * sizeof(phdr),
		       sizeof(phdr));
		if (phdr.p_type == PT_LOAD &&
		    elf_add_segment(image, &phdr, file_size, start, end, err) < 0)
			return -1;
		if (phdr.p_type == PT_NOTE && elf_add_notes(image, &phdr, file_size, err) < 0)
			return -1;
	}
	if (image->n_segments == 0)
		return err_set(err, ERR_USAGE, "ELF file has nothing to load");
	if (image->notes_len == 0)
		return err_set(err, ERR_USAGE,
			       "kernel has no notes, so no PVH entry point (CONFIG_PVH=y)");
	return 0;
}

static bool elf_is_loaded_code(const struct elf_image *image, uint64_t gpa)
{
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const struct elf_segment *seg = &image->segments[i];

		if (gpa >= seg->gpa && gpa - seg->gpa < seg->file_len)
			return true;
	}
	return false;
}

/* The note's value: one address of 4 or 8 bytes. */
static int elf_take_entry(const struct elf_image *image, const uint8_t *desc, uint32_t len,
			  uint32_t *entry, struct err *err)
{
	uint64_t value = 0;

	if (len != 4 && len != 8)
		return err_set(err, ERR_USAGE, "kernel's PVH note has %u bytes instead of 4 or 8",
			       len);
	memcpy(&value, desc, len);
	if (!elf_is_loaded_code(image, value) || value > UINT32_MAX)
		return err_set(err, ERR_USAGE,
			       "kernel's PVH entry point 0x%llx isn't in what it loads",
			       (unsigned long long)value);
	*entry = (uint32_t)value;
	return 0;
}

int elf_find_pvh_entry(const struct elf_image *image, const void *notes, size_t len,
		       uint32_t *entry, struct err *err)
{
	const uint8_t *p = notes;
	uint64_t name_size, size;
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		memcpy(&note, p, sizeof(note));
		p += sizeof(note);
		len -= sizeof(note);
		name_size = num_align_up(note.n_namesz, 4);
		size = name_size + num_align_up(note.n_descsz, 4);
		/* the padding behind the last note may be missing */
		if (name_size + note.n_descsz > len)
			return err_set(err, ERR_USAGE, "an ELF note reaches beyond its segment");
		if (note.n_type == ELF_XEN_PHYS32_ENTRY && note.n_namesz == sizeof(ELF_XEN_NAME) &&
		    memcmp(p, ELF_XEN_NAME, sizeof(ELF_XEN_NAME)) == 0)
			return elf_take_entry(image, p + name_size, note.n_descsz, entry, err);
		size = num_min_u64(size, len);
		p += size;
		len -= size;
	}
	return err_set(err, ERR_USAGE, "kernel has no PVH entry point (CONFIG_PVH=y)");
}
