/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <string.h>

#include "base/num.h"

/* xen/include/public/elfnote.h; not among the UAPI headers */
#define ELF_XEN_NAME	     "Xen"
#define ELF_XEN_PHYS32_ENTRY 18u
/* include/linux/elfnote-lto.h, include/linux/build-salt.h: every Linux since 4.19 has at least one of this owner */
#define ELF_LINUX_NAME "Linux"

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
	if (phdr->p_filesz == 0) /* what is left where the notes were cut out */
		return 0;
	if (image->notes_len != 0)
		return err_set(err, ERR_USAGE, "ELF file has more than one note segment");
	if (phdr->p_filesz > ELF_MAX_NOTES_SIZE ||
	    !num_range_ok(phdr->p_offset, phdr->p_filesz, file_size))
		return err_set(err, ERR_USAGE,
			       "ELF note segment is too large or beyond the end of the file");
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
	image->entry = ehdr.e_entry;
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

/* What the notes say of the kernel; desc is NULL where there is no such note. */
struct elf_marks {
	bool is_linux;
	const uint8_t *pvh_desc;
	uint32_t pvh_len;
};

static bool elf_note_is_of(const Elf64_Nhdr *note, const uint8_t *name, const char *owner,
			   size_t owner_size)
{
	return note->n_namesz == owner_size && memcmp(name, owner, owner_size) == 0;
}

static int elf_read_notes(const uint8_t *p, size_t len, struct elf_marks *marks, struct err *err)
{
	uint64_t name_size, size;
	Elf64_Nhdr note;

	*marks = (struct elf_marks){ 0 };
	while (len >= sizeof(note)) {
		memcpy(&note, p, sizeof(note));
		p += sizeof(note);
		len -= sizeof(note);
		name_size = num_align_up(note.n_namesz, 4);
		size = name_size + num_align_up(note.n_descsz, 4);
		/* the padding behind the last note may be missing */
		if (name_size + note.n_descsz > len)
			return err_set(err, ERR_USAGE, "an ELF note reaches beyond its segment");
		if (elf_note_is_of(&note, p, ELF_LINUX_NAME, sizeof(ELF_LINUX_NAME)))
			marks->is_linux = true;
		if (note.n_type == ELF_XEN_PHYS32_ENTRY && marks->pvh_desc == NULL &&
		    elf_note_is_of(&note, p, ELF_XEN_NAME, sizeof(ELF_XEN_NAME))) {
			marks->pvh_desc = p + name_size;
			marks->pvh_len = note.n_descsz;
		}
		size = num_min_u64(size, len);
		p += size;
		len -= size;
	}
	return 0;
}

/* The note's value: one address of 4 or 8 bytes. */
static int elf_take_pvh(const struct elf_image *image, const struct elf_marks *marks,
			struct entry *entry, struct err *err)
{
	uint64_t value = 0;

	if (marks->pvh_len != 4 && marks->pvh_len != 8)
		return err_set(err, ERR_USAGE, "kernel's PVH note has %u bytes instead of 4 or 8",
			       marks->pvh_len);
	memcpy(&value, marks->pvh_desc, marks->pvh_len);
	if (!elf_is_loaded_code(image, value))
		return err_set(err, ERR_USAGE,
			       "kernel's PVH entry point 0x%llx isn't in what it loads",
			       (unsigned long long)value);
	*entry = (struct entry){ ENTRY_PVH, value };
	return 0;
}

int elf_find_entry(const struct elf_image *image, const void *notes, size_t len,
		   struct entry *entry, struct err *err)
{
	struct elf_marks marks;

	if (elf_read_notes(notes, len, &marks, err) < 0)
		return -1;
	if (!marks.is_linux && marks.pvh_desc != NULL)
		return elf_take_pvh(image, &marks, entry, err);
	if (!elf_is_loaded_code(image, image->entry))
		return err_set(err, ERR_USAGE,
			       "kernel's entry point 0x%llx isn't in what it loads: give Linux's "
			       "vmlinux, or a kernel with a PVH note",
			       (unsigned long long)image->entry);
	*entry = (struct entry){ ENTRY_LINUX, image->entry };
	return 0;
}
