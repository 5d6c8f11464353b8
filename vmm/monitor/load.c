/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/load.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "base/proto/launch.h"
#include "vmm/boot/elf.h"
#include "vmm/boot/layout.h"
#include "vmm/boot/longmode.h"
#include "vmm/boot/mptable.h"
#include "vmm/boot/pvh.h"
#include "vmm/boot/zeropage.h"

#define LOAD_PAGE      4096u
#define LOAD_HUGE_PAGE (UINT64_C(2) << 20)

/* Anonymous memory at a multiple of the huge page's size: a little more is mapped, and both ends are cut off. */
static uint8_t *load_map_aligned(uint64_t len, struct err *err)
{
	uint8_t *p = mmap(NULL, len + LOAD_HUGE_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before;

	if (p == MAP_FAILED) {
		(void)err_sys(err, "guest memory");
		return NULL;
	}
	before = -(uintptr_t)p & (LOAD_HUGE_PAGE - 1);
	if ((before != 0 && munmap(p, before) < 0) ||
	    munmap(p + before + len, LOAD_HUGE_PAGE - before) < 0) {
		(void)err_sys(err, "guest memory");
		return NULL;
	}
	return p + before;
}

int load_memory(struct mem *mem, uint64_t memory_bytes, struct err *err)
{
	uint8_t *host = load_map_aligned(memory_bytes, err);

	if (host == NULL)
		return -1;
	/* a nested page fault for each 4 KiB is what costs most until user code runs; a host without huge pages says
	 * EINVAL and goes without */
	(void)madvise(host, memory_bytes, MADV_HUGEPAGE);
	/* what a guest had in memory isn't for a core dump on the host */
	if (madvise(host, memory_bytes, MADV_DONTDUMP) < 0)
		return err_sys(err, "guest memory");
	layout_regions(mem, host, memory_bytes);
	return 0;
}

static int load_read(int fd, uint64_t offset, void *buf, uint64_t len, const char *what,
		     struct err *err)
{
	uint64_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));
		if (n < 0)
			return err_sys(err, "%s", what);
		if (n == 0)
			return err_set(err, ERR_USAGE, "%s: the file ends too early", what);
		done += (uint64_t)n;
	}
	return 0;
}

static int load_file_size(int fd, uint64_t *size, const char *what, struct err *err)
{
	struct stat st;

	*size = 0;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s", what);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int load_segments(const struct mem *mem, const struct elf_image *image, struct err *err)
{
	for (uint32_t i = 0; i < image->n_segments; i++) {
		const struct elf_segment *seg = &image->segments[i];
		void *p = mem_ptr(mem, seg->gpa, seg->mem_len);

		if (p == NULL)
			return err_set(err, ERR_USAGE,
				       "kernel: doesn't fit into the guest's memory");
		if (load_read(LAUNCH_FD_KERNEL, seg->file_offset, p, seg->file_len, "kernel", err) <
		    0)
			return -1;
	}
	return 0;
}

/* The file is read, never mapped: one that shrinks under us is an error, not a SIGBUS. */
static int load_kernel(const struct mem *mem, uint64_t *end, struct entry *entry, struct err *err)
{
	uint8_t buf[ELF_MAX_NOTES_SIZE];
	const struct elf_segment *last;
	struct elf_image image;
	uint64_t size;

	if (load_file_size(LAUNCH_FD_KERNEL, &size, "kernel", err) < 0 ||
	    load_read(LAUNCH_FD_KERNEL, 0, buf, num_min_u64(size, ELF_HEAD_SIZE), "kernel", err) <
		    0)
		return -1;
	if (elf_parse(buf, num_min_u64(size, ELF_HEAD_SIZE), size, LAYOUT_HIGH_START,
		      mem->regions[0].len, &image, err) < 0)
		return err_wrap(err, "kernel");
	if (load_read(LAUNCH_FD_KERNEL, image.notes_offset, buf, image.notes_len, "kernel", err) <
	    0)
		return -1;
	if (elf_find_entry(&image, buf, image.notes_len, entry, err) < 0)
		return err_wrap(err, "kernel");
	last = &image.segments[image.n_segments - 1];
	*end = last->gpa + last->mem_len;
	return load_segments(mem, &image, err);
}

/* At the end of the RAM below the hole, above the kernel. */
static int load_initrd(const struct mem *mem, uint64_t kernel_end, gpa_t *gpa, uint64_t *len,
		       struct err *err)
{
	const uint64_t ram_end = mem->regions[0].len;

	if (load_file_size(LAUNCH_FD_INITRD, len, "initrd", err) < 0)
		return -1;
	if (*len == 0) {
		*gpa = 0;
		return 0;
	}
	*gpa = *len < ram_end ? (ram_end - *len) & ~(uint64_t)(LOAD_PAGE - 1) : 0;
	if (*gpa < kernel_end)
		return err_set(
			err, ERR_USAGE,
			"initrd: %llu bytes don't fit into the guest's memory beside the kernel",
			(unsigned long long)*len);
	return load_read(LAUNCH_FD_INITRD, 0, mem_ptr(mem, *gpa, *len), *len, "initrd", err);
}

int load_guest(const struct mem *mem, const char *cmdline, uint32_t n_vcpus, uint32_t lines,
	       struct entry *entry, struct err *err)
{
	uint8_t mptable[LAYOUT_MPTABLE_SIZE];
	uint64_t kernel_end, initrd_len;
	gpa_t initrd_gpa;

	if (load_kernel(mem, &kernel_end, entry, err) < 0 ||
	    load_initrd(mem, kernel_end, &initrd_gpa, &initrd_len, err) < 0)
		return -1;
	mptable_build(mptable, n_vcpus, lines);
	if (!mem_write(mem, LAYOUT_MPTABLE, mptable, sizeof(mptable)))
		return err_set(err, ERR_USAGE, "guest memory is too small");
	if (entry->kind == ENTRY_PVH) {
		pvh_write(mem, cmdline, initrd_gpa, initrd_len);
	} else {
		zeropage_write(mem, cmdline, initrd_gpa, initrd_len);
		longmode_write(mem);
	}
	return 0;
}
