/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Kernels, well-formed and not, made field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "vmm/boot/elf.h"

#define START	  0x100000ull
#define END	  0x8000000ull
#define NOTES_AT  0x1800u
#define FILE_SIZE 0x3000u

/* A file of two segments and notes; tests spoil it. */
struct kernel {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[3];
	uint32_t notes[12];
	size_t notes_len;
};

static struct kernel k;
static struct elf_image image;
static struct err err;

static int setup(void **state)
{
	(void)state;
	k = (struct kernel){
		.ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
				       ELFDATA2LSB },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_entry = 0x200000,
			  .e_phoff = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 3 },
		.phdr = { { PT_LOAD, 6, 0x2000, 0, 0x400000, 0x1000, 0x9000, 0 },
			  { PT_LOAD, 5, 0x1000, 0, 0x200000, 0x1000, 0x1000, 0 },
			  { PT_NOTE, 4, NOTES_AT, 0, 0, 44, 44, 0 } },
		/* a foreign note first: name "GNU", 3 bytes of text; then Xen's, with 8 bytes */
		.notes = { 4, 3, 18, 0x00554e47, 0x00636261, 4, 8, 18, 0x006e6558, 0x200040, 0 },
		.notes_len = 44,
	};
	return 0;
}

/* A buffer of exactly the head's size, so that a read behind it is seen. */
static int parse_head(size_t len)
{
	uint8_t *head = malloc(len);
	int result;

	assert_non_null(head);
	memset(head, 0, len);
	memcpy(head, &k,
	       len < offsetof(struct kernel, notes) ? len : offsetof(struct kernel, notes));
	result = elf_parse(head, len, FILE_SIZE, START, END, &image, &err);
	free(head);
	return result;
}

static void refused(const char *why)
{
	assert_int_equal(parse_head(ELF_HEAD_SIZE), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, why);
}

static int find_entry(struct entry *entry)
{
	uint8_t *notes = malloc(k.notes_len);
	int result;

	assert_non_null(notes);
	memcpy(notes, k.notes, k.notes_len);
	result = elf_find_entry(&image, notes, k.notes_len, entry, &err);
	free(notes);
	return result;
}

static void found(enum entry_kind kind, gpa_t gpa)
{
	struct entry entry = { 0 };

	assert_int_equal(parse_head(ELF_HEAD_SIZE), 0);
	assert_int_equal(find_entry(&entry), 0);
	assert_int_equal(entry.kind, kind);
	assert_int_equal(entry.gpa, gpa);
}

static void entry_refused(const char *why)
{
	struct entry entry;

	assert_int_equal(parse_head(ELF_HEAD_SIZE), 0);
	assert_int_equal(find_entry(&entry), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", err.text, why);
}

static void reads_a_kernel(void **state)
{
	(void)state;
	assert_int_equal(parse_head(ELF_HEAD_SIZE), 0);
	assert_int_equal(image.n_segments, 2);
	assert_int_equal(image.segments[0].gpa, 0x200000);
	assert_int_equal(image.segments[0].file_offset, 0x1000);
	assert_int_equal(image.segments[1].gpa, 0x400000);
	assert_int_equal(image.segments[1].file_len, 0x1000);
	assert_int_equal(image.segments[1].mem_len, 0x9000);
	assert_int_equal(image.notes_offset, NOTES_AT);
	assert_int_equal(image.notes_len, 44);
	found(ENTRY_PVH, 0x200040);
}

static void reads_a_note_of_4_bytes(void **state)
{
	(void)state;
	k.notes[6] = 4;
	k.notes_len = 40;
	found(ENTRY_PVH, 0x200040);
}

/* A note with the owner "Linux", of any type, before or behind Xen's. */
static void enters_linux_in_64_bit_mode(void **state)
{
	static const uint32_t linux_note[] = { 6, 1, 0x101, 0x756e694c, 0x78, 0 };

	(void)state;
	memcpy(k.notes, linux_note, sizeof(linux_note));
	k.notes_len = sizeof(linux_note);
	found(ENTRY_LINUX, 0x200000);
	k.notes[0] = 5; /* "Linux" without its NUL is another owner */
	found(ENTRY_LINUX, 0x200000);
	setup(state);
	memmove(k.notes + 6, k.notes + 5, 24);
	memcpy(k.notes, linux_note, sizeof(linux_note));
	k.notes_len = sizeof(k.notes);
	found(ENTRY_LINUX, 0x200000);
	k.notes[2] = 18; /* the type says nothing */
	found(ENTRY_LINUX, 0x200000);
	k.notes[0] = 5;
	found(ENTRY_PVH, 0x200040);
}

/* Of Linux's own PVH note nothing is asked. */
static void enters_linux_whose_pvh_note_is_odd(void **state)
{
	static const uint32_t notes[] = { 4, 2, 18, 0x006e6558, 0, 6, 0, 0, 0x756e694c, 0x78 };

	(void)state;
	memcpy(k.notes, notes, sizeof(notes));
	k.notes_len = sizeof(notes);
	found(ENTRY_LINUX, 0x200000);
}

static void enters_a_kernel_without_notes_in_64_bit_mode(void **state)
{
	(void)state;
	k.phdr[2].p_type = PT_NULL;
	k.notes_len = 0;
	found(ENTRY_LINUX, 0x200000);
	assert_int_equal(image.notes_len, 0);
	setup(state);
	k.phdr[2].p_filesz = 0; /* as objcopy leaves it */
	k.notes_len = 0;
	found(ENTRY_LINUX, 0x200000);
	setup(state);
	k.notes[7] = 17; /* not PHYS32_ENTRY */
	found(ENTRY_LINUX, 0x200000);
	setup(state);
	k.notes[8] = 0x006e6559; /* not "Xen" */
	found(ENTRY_LINUX, 0x200000);
	k.notes_len = 11; /* no whole header */
	found(ENTRY_LINUX, 0x200000);
}

static void refuses_other_files(void **state)
{
	(void)state;
	assert_int_equal(parse_head(sizeof(Elf64_Ehdr) - 1), -1);
	assert_int_equal(parse_head(sizeof(Elf64_Ehdr)), -1); /* no room for program headers */
	k.ehdr.e_machine = EM_AARCH64;
	refused("x86-64");
	setup(state);
	k.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	refused("x86-64");
	setup(state);
	k.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
	refused("x86-64");
	setup(state);
	k.ehdr.e_type = ET_REL;
	refused("executable");
	setup(state);
	memcpy(k.ehdr.e_ident, "MZ", 2);
	refused("not an ELF file");
}

static void refuses_program_headers(void **state)
{
	(void)state;
	k.ehdr.e_phentsize = 32;
	refused("program headers");
	setup(state);
	k.ehdr.e_phoff = ~0ull - 8;
	refused("program headers");
	setup(state);
	k.ehdr.e_phoff = ELF_HEAD_SIZE - 3 * sizeof(Elf64_Phdr) + 1;
	refused("program headers");
	setup(state);
	k.ehdr.e_phnum = 0xffff;
	refused("program headers");
	setup(state);
	k.ehdr.e_phnum = 0;
	refused("nothing to load");
}

static void refuses_segments(void **state)
{
	static const struct {
		const char *why;
		Elf64_Phdr phdr; /* in place of the second one */
	} bad[] = {
		{ "larger in the file", { PT_LOAD, 5, 0x1000, 0, 0x200000, 0x1001, 0x1000, 0 } },
		{ "beyond the end of the file",
		  { PT_LOAD, 5, FILE_SIZE, 0, 0x200000, 1, 0x1000, 0 } },
		{ "beyond the end of the file", { PT_LOAD, 5, ~0ull, 0, 0x200000, 2, 0x1000, 0 } },
		{ "guest's memory", { PT_LOAD, 5, 0, 0, START - 1, 1, 1, 0 } },
		{ "guest's memory", { PT_LOAD, 5, 0, 0, 0, 1, 1, 0 } },
		{ "guest's memory", { PT_LOAD, 5, 0, 0, END, 0, 1, 0 } },
		{ "guest's memory", { PT_LOAD, 5, 0, 0, END - 1, 0, 2, 0 } },
		{ "guest's memory", { PT_LOAD, 5, 0, 0, ~0ull, 0, 2, 0 } },
		{ "guest's memory", { PT_LOAD, 5, 0, 0, 0x200000, 0, ~0ull, 0 } },
		{ "overlap", { PT_LOAD, 5, 0, 0, 0x400000, 0, 1, 0 } },
		{ "overlap", { PT_LOAD, 5, 0, 0, 0x3fffff, 0, 2, 0 } },
		{ "overlap", { PT_LOAD, 5, 0, 0, 0x408fff, 0, 2, 0 } },
		{ "overlap", { PT_LOAD, 5, 0, 0, 0x200000, 0, 0x1000000, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setup(state);
		k.phdr[1] = bad[i].phdr;
		refused(bad[i].why);
	}
}

static void refuses_too_many_segments(void **state)
{
	uint8_t head[ELF_HEAD_SIZE] = { 0 };
	Elf64_Phdr phdr = { PT_LOAD, 5, 0, 0, 0, 0, 1, 0 };

	(void)state;
	k.ehdr.e_phnum = ELF_MAX_SEGMENTS + 1;
	memcpy(head, &k.ehdr, sizeof(k.ehdr));
	for (uint32_t i = 0; i <= ELF_MAX_SEGMENTS; i++) {
		phdr.p_paddr = START + i;
		memcpy(head + sizeof(k.ehdr) + i * sizeof(phdr), &phdr, sizeof(phdr));
	}
	assert_int_equal(elf_parse(head, sizeof(head), FILE_SIZE, START, END, &image, &err), -1);
	assert_non_null(strstr(err.text, "more than"));
}

static void refuses_note_segments(void **state)
{
	(void)state;
	k.phdr[2].p_filesz = ELF_MAX_NOTES_SIZE + 1;
	refused("note segment");
	setup(state);
	k.phdr[2].p_offset = FILE_SIZE - 43;
	refused("note segment");
	setup(state);
	k.phdr[1].p_type = PT_NOTE;
	refused("more than one note");
}

static void refuses_notes(void **state)
{
	(void)state;
	k.notes[6] = 2;
	entry_refused("2 bytes instead of");
	setup(state);
	k.notes_len = 43;
	entry_refused("beyond its segment");
	setup(state);
	k.notes[5] = UINT32_MAX;
	entry_refused("beyond its segment");
	setup(state);
	k.notes[1] = UINT32_MAX;
	entry_refused("beyond its segment");
}

static void refuses_entry_points(void **state)
{
	static const uint64_t bad[] = { 0,	  0x1fffff,
					0x201000, 0x401000 /* memory, not file */,
					~0ull,	  0x100200040 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setup(state);
		memcpy(&k.notes[9], &bad[i], sizeof(bad[i]));
		entry_refused("PVH entry point");
		setup(state);
		k.notes[7] = 17;
		k.ehdr.e_entry = bad[i];
		entry_refused("kernel's entry point");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_a_kernel, setup),
		cmocka_unit_test_setup(reads_a_note_of_4_bytes, setup),
		cmocka_unit_test_setup(enters_linux_in_64_bit_mode, setup),
		cmocka_unit_test_setup(enters_linux_whose_pvh_note_is_odd, setup),
		cmocka_unit_test_setup(enters_a_kernel_without_notes_in_64_bit_mode, setup),
		cmocka_unit_test_setup(refuses_other_files, setup),
		cmocka_unit_test_setup(refuses_program_headers, setup),
		cmocka_unit_test_setup(refuses_segments, setup),
		cmocka_unit_test_setup(refuses_too_many_segments, setup),
		cmocka_unit_test_setup(refuses_note_segments, setup),
		cmocka_unit_test_setup(refuses_notes, setup),
		cmocka_unit_test_setup(refuses_entry_points, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
